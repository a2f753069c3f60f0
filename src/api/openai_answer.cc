#include "api/openai_answer.h"

#include <utility>

#include "api/sse.h"

namespace axollama::api {
namespace {

// `token` may be a part of a character: then its text shows U+FFFD, and the bytes tell.
json::Object Logprob(std::string_view token, double logprob) {
  json::Array bytes;
  for (const char c : token) bytes.emplace_back(static_cast<unsigned char>(c));
  return {{"token", token}, {"logprob", logprob}, {"bytes", std::move(bytes)}};
}

json::Object Call(const ToolCall& call) {
  return {{"id", call.id},
          {"index", call.index},
          {"type", "function"},
          {"function", json::Object{{"name", call.name}, {"arguments", call.arguments_json}}}};
}

json::Object CallDelta(const ToolCallDelta& delta) {
  json::Object function;
  json::Object out{{"index", delta.index}};
  if (!delta.name.empty()) {  // the first part
    out.emplace("id", delta.id);
    out.emplace("type", "function");
    function.emplace("name", delta.name);
  }
  function.emplace("arguments", delta.arguments);
  out.emplace("function", std::move(function));
  return out;
}

json::Object Head(const OpenAiHead& head, std::string_view object) {
  return {{"id", head.id},
          {"object", object},
          {"created", head.created_s},
          {"model", head.model},
          {"system_fingerprint", kSystemFingerprint}};
}

}  // namespace

void OpenAiUsage::Add(const Finish& finish, bool new_prompt) {
  completion_tokens += finish.eval_tokens;
  if (!new_prompt) return;
  prompt_tokens += static_cast<int64_t>(finish.prompt_tokens.size());
  cached_tokens += finish.cached_tokens;
}

json::Object OpenAiUsage::Write() const {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_tokens_details", json::Object{{"cached_tokens", cached_tokens}}}};
}

std::string_view FinishReason(const Finish& finish) {
  if (finish.done_reason == "length") return "length";
  return finish.calls > 0 ? "tool_calls" : "stop";
}

json::Object WriteOpenAiLogprobs(const std::vector<TokenLogprob>& logprobs) {
  json::Array content;
  for (const TokenLogprob& one : logprobs) {
    json::Array top;
    for (const auto& [token, logprob] : one.top) top.push_back(Logprob(token, logprob));
    json::Object entry = Logprob(one.token, one.logprob);
    entry.emplace("top_logprobs", std::move(top));
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

std::string WriteOpenAiChat(const OpenAiHead& head, const std::vector<OpenAiChoice>& choices,
                            bool logprobs) {
  OpenAiUsage usage;
  json::Array list;
  for (const OpenAiChoice& choice : choices) {
    const Piece& answer = choice.answer;
    json::Object message{{"role", "assistant"}, {"content", answer.content}};
    if (!answer.thinking.empty()) message.emplace("reasoning", answer.thinking);
    json::Array calls;
    for (const ToolCall& call : answer.calls) calls.push_back(Call(call));
    if (!calls.empty()) message.emplace("tool_calls", std::move(calls));
    json::Object entry{{"index", list.size()},
                       {"message", std::move(message)},
                       {"finish_reason", FinishReason(choice.finish)}};
    usage.Add(choice.finish, list.empty());
    if (logprobs) entry.emplace("logprobs", WriteOpenAiLogprobs(answer.logprobs));
    list.push_back(std::move(entry));
  }
  json::Object out = Head(head, "chat.completion");
  out.emplace("choices", std::move(list));
  out.emplace("usage", usage.Write());
  return json::Write(out);
}

std::string OpenAiChatStream::Chunk(json::Object delta, std::string_view finish_reason,
                                    const std::vector<TokenLogprob>& logprobs) {
  json::Object choice{{"index", choice_}, {"delta", std::move(delta)}, {"finish_reason", nullptr}};
  if (!finish_reason.empty()) choice["finish_reason"] = finish_reason;
  if (!logprobs.empty()) choice.emplace("logprobs", WriteOpenAiLogprobs(logprobs));
  json::Object out = Head(head_, "chat.completion.chunk");
  out.emplace("choices", json::Array{std::move(choice)});
  return SseData(out);
}

std::string OpenAiChatStream::Take(const Piece& piece) {
  json::Array calls;
  for (const ToolCallDelta& delta : piece.call_deltas) calls.push_back(CallDelta(delta));
  const bool answers = !piece.content.empty() || !calls.empty();
  if (!answers && piece.thinking.empty() && piece.logprobs.empty()) return "";
  std::string out;
  const auto begin = [&] {
    json::Object delta;
    if (!std::exchange(begun_, true)) delta.emplace("role", "assistant");
    return delta;
  };
  if (!piece.thinking.empty()) {
    json::Object delta = begin();
    delta.emplace("reasoning", piece.thinking);
    out += Chunk(std::move(delta), "", answers ? std::vector<TokenLogprob>() : piece.logprobs);
    if (!answers) return out;
  }
  json::Object delta = begin();
  delta.emplace("content", piece.content);
  if (!calls.empty()) delta.emplace("tool_calls", std::move(calls));
  return out + Chunk(std::move(delta), "", piece.logprobs);
}

std::string OpenAiChatStream::EndChoice(const Finish& finish) {
  std::string out;
  if (!std::exchange(begun_, false)) {  // an answer without a word has a beginning as well
    out = Chunk({{"role", "assistant"}, {"content", ""}}, "", {});
  }
  out += Chunk({}, FinishReason(finish), {});
  usage_.Add(finish, choice_ == 0);
  ++choice_;
  return out;
}

std::string OpenAiChatStream::End() {
  std::string out;
  if (include_usage_) {
    json::Object last = Head(head_, "chat.completion.chunk");
    last.emplace("choices", json::Array());
    last.emplace("usage", usage_.Write());
    out = SseData(last);
  }
  return out + "data: [DONE]\n\n";
}

}  // namespace axollama::api
