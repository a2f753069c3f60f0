#include "api/answers.h"

#include <string_view>
#include <utility>

namespace axollama::api {
namespace {

// `token` may be a part of a character: then the text shows U+FFFD, and the bytes tell.
json::Object LogprobObject(std::string_view token, double logprob) {
  json::Array bytes;
  for (const char c : token) bytes.emplace_back(static_cast<unsigned char>(c));
  json::Object object{{"token", token}, {"logprob", logprob}};
  if (!bytes.empty()) object.emplace("bytes", std::move(bytes));
  return object;
}

}  // namespace

json::Array WriteToolCalls(const std::vector<ToolCall>& calls) {
  json::Array array;
  for (const ToolCall& call : calls) {
    // The dialect's parser lets only objects through.
    auto arguments = json::ParseObject(call.arguments_json, "arguments");
    json::Object function{{"index", call.index}, {"name", call.name}};
    function.emplace("arguments", arguments ? std::move(*arguments) : json::Object());
    json::Object object;
    if (!call.id.empty()) object.emplace("id", call.id);
    object.emplace("function", std::move(function));
    array.push_back(std::move(object));
  }
  return array;
}

void AddStatistics(const Finish& finish, json::ObjectWriter* object) {
  const std::pair<const char*, int64_t> fields[] = {
      {"total_duration", finish.total_ns},
      {"load_duration", finish.load_ns},
      {"prompt_eval_count", static_cast<int64_t>(finish.prompt_tokens.size())},
      {"prompt_eval_duration", finish.prompt_ns},
      {"eval_count", finish.eval_tokens},
      {"eval_duration", finish.eval_ns},
  };
  for (const auto& [name, value] : fields) {
    if (value != 0) object->Add(name, value);
  }
}

void AddLogprobs(const std::vector<TokenLogprob>& logprobs, json::ObjectWriter* object) {
  if (logprobs.empty()) return;
  json::Array array;
  for (const TokenLogprob& one : logprobs) {
    json::Object entry = LogprobObject(one.token, one.logprob);
    json::Array top;
    for (const auto& [token, logprob] : one.top) top.push_back(LogprobObject(token, logprob));
    if (!top.empty()) entry.emplace("top_logprobs", std::move(top));
    array.push_back(std::move(entry));
  }
  object->Add("logprobs", std::move(array));
}

}  // namespace axollama::api
