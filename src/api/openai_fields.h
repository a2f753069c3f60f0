// What OpenAI's chat completions, completions and responses have in common in their requests.
// Private to the room.
//
// Errors: kInvalid, with Ollama's sentence where it has one. Source: facts 1.9 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/reader.h"
#include "api/turn.h"
#include "base/result.h"

namespace axollama::api {

inline constexpr int64_t kMaxTopLogprobs = 20;

// temperature and top_p, whose defaults are 1 here, whatever the model's own are.
Status ReadSampling(const Reader& request, Options* options);

// seed, frequency_penalty, presence_penalty and stop (a string, or several).
Status ReadPenaltiesSeedAndStop(const Reader& request, Options* options);

// {"token id": -100 ... 100}
Result<std::vector<std::pair<int32_t, double>>> ReadLogitBias(const Reader& request);

// none, minimal, low, medium, high, max, xhigh or ultra; empty: the model's default.
Result<Think> ParseEffort(std::string_view effort);

// What an image part holds: base64 data of a kind that Ollama takes. There is no other check,
// since no model here sees images.
Status CheckImageUrl(std::string_view url);

// The arguments of a call as clients send them back: the text of an object, or nothing at all.
// `invalid tool call arguments` otherwise.
Result<std::string> ParseCallArguments(std::string_view text);

// One function of a request's tools, as templates get it: {"type":"function","function":{...}}
// with name, description and parameters. `description` and `parameters` may be absent.
Result<json::Object> ReadFunction(const Reader& function, std::string_view parameters_key);

// tool_choice: "auto", "none", "required", or an object that names a function, directly or, where
// `nested`, in "function". `tools`: those of the request, for a choice that is not among them.
Result<ToolChoice> ReadToolChoice(const Reader& request, const json::Array& tools, bool nested);

// A tool choice that cannot be met: none of the tools, or none at all.
Status CheckToolChoice(const ToolChoice& choice, const json::Array& tools, std::string_view key);

// The names of a conversation's calls by their ids, for answers that name only the call. Of calls
// with the same id the last one counts.
class CallNames {
 public:
  void Add(const ToolCall& call) { names_[call.id] = call.name; }
  // Empty: no call had that id.
  std::string Of(const std::string& call_id) const {
    const auto found = names_.find(call_id);
    return found == names_.end() ? std::string() : found->second;
  }

 private:
  std::unordered_map<std::string, std::string> names_;
};

}  // namespace axollama::api
