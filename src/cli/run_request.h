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
  json::Value format;    // null: none
  json::Value think;     // null: as the model does
  bool raw = false;
  bool own_server = false;
  bool verbose = false;
  bool word_wrap = true;
  bool hide_thinking = false;
};

// "temperature=0.2", "stop=###", "seed=7": VALUE is JSON if it can be read as such, else a string.
// `stop` is collected into an array.
Status AddOption(std::string_view setting, RunOptions* options);

// "json", or a JSON Schema as text.
Result<json::Value> ParseFormat(std::string_view text);
// true, false, low, medium, high or max.
Result<json::Value> ParseThink(std::string_view text);

json::Object GenerateBody(const std::string& model, const RunOptions& options,
                          const std::string& prompt);
// `messages` are without the system message, which the options have.
json::Object ChatBody(const std::string& model, const RunOptions& options,
                      const json::Array& messages);

// The lines that Ollama prints for --verbose, from the last object of an answer.
std::string SpeedsText(const json::Object& last);

// Whether two spellings name one model: without case, ":latest" understood.
bool SameModel(std::string_view a, std::string_view b);

}  // namespace axollama::cli
