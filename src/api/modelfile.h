// Modelfiles: read as `ollama create -f` reads them, written as /api/show shows them.
//
// Owner and threads: plain values. Source: facts 6; Ollama's parser/parser.go.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

struct ModelfileCommand {
  std::string name;   // lower case: from, license, template, system, ..., or a parameter's name
  std::string value;  // of a message its text
  std::string role;   // of a message: system, user or assistant
  bool parameter = false;
};

// At least one `from`. Errors are Ollama's, with the line: `(line 3): command must be one of ...`.
// Bounds: 16 MiB, 10,000 commands.
Result<std::vector<ModelfileCommand>> ParseModelfile(std::string_view text);

// The commands as lines, values quoted where they need it.
std::string WriteModelfile(const std::vector<ModelfileCommand>& commands);

// A parameter's text as /api/create wants it: a number, a boolean, or a list of strings for `stop`.
// `unknown parameter 'x'`, `invalid float value [x]`.
Result<json::Value> ParseParameter(std::string_view name, std::string_view text);

}  // namespace axollama::api
