// What `axollama run` asks for, as JSON, and how it shows the speeds of an answer. No input, no
// output: pure translation. Threads: plain functions and values.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace axollama::cli {

struct RunOptions {
  std::string model;
  std::string system;
  std::string keep_alive;  // as Ollama spells it; "" leaves it to the server
  std::string device;
  json::Object options;  // Ollama's options
  bool raw = false;
  bool own_server = false;
  bool verbose = false;
};

// "temperature=0.2", "stop=###", "seed=7": VALUE is JSON if it can be read as such, else a string.
// `stop` is collected into an array.
Status AddOption(std::string_view setting, RunOptions* options);

json::Object GenerateBody(const std::string& model, const RunOptions& options,
                          const std::string& prompt);
json::Object ChatBody(const std::string& model, const RunOptions& options,
                      const json::Array& messages);

// The lines that Ollama prints for --verbose, from the last object of an answer.
std::string SpeedsText(const json::Object& last);

// Whether two spellings name one model: without case, ":latest" understood.
bool SameModel(std::string_view a, std::string_view b);

}  // namespace axollama::cli
