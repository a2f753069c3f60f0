// Requests that change the models: /api/create, /api/copy, /api/delete, /api/push.
//
// Owner and threads: plain values. Source: facts 1.7. Errors: kInvalid, in Ollama's words where it
// has some.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/turn.h"
#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

struct CreateRequest {
  std::string model;
  bool stream = true;
  std::string from;                          // a model's name; or, maybe neither of them:
  std::map<std::string, std::string> files;  // names and digests of uploaded blobs
  std::string quantize;                      // of files; empty: as it is best
  std::string system;                        // empty: the base's
  std::optional<std::string> go_template;    // absent: the base's
  json::Object parameters;                   // go over those of the base; types are right
  std::vector<Message> messages;             // empty: the base's
  std::vector<std::string> licenses;         // are added to those of the base
  std::string required_version;              // `requires`, of Ollama; empty: the base's
};
Result<CreateRequest> ParseCreate(std::string_view body);

struct CopyRequest {
  std::string source, destination;
};
Result<CopyRequest> ParseCopy(std::string_view body);

// delete, push, pull: {model|name, stream?}
struct NamedRequest {
  std::string model;  // may be empty
  bool stream = true;
};
Result<NamedRequest> ParseNamed(std::string_view body);

// {"status":"..."}: a line of progress.
std::string WriteStatus(std::string_view status);

// Whether a Go template has the shape of one: actions that close, blocks that end.
// `template error: ...` otherwise. The runner says the rest when it renders.
Status CheckGoTemplate(std::string_view text);

}  // namespace axollama::api
