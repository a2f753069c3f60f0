#include "api/responses_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/openai_answer.h"
#include "api/sse.h"

namespace axollama::api {
namespace {

json::Object Usage(const Finish& finish) {
  const auto prompt = static_cast<int64_t>(finish.prompt_tokens.size());
  return {{"input_tokens", prompt},
          {"input_tokens_details", json::Object{{"cached_tokens", finish.cached_tokens}}},
          {"output_tokens", finish.eval_tokens},
          {"output_tokens_details", json::Object{{"reasoning_tokens", finish.thinking_tokens}}},
          {"total_tokens", prompt + finish.eval_tokens}};
}

}  // namespace

std::string ResponsesStream::Event(std::string_view type, json::Object fields) {
  json::Object event{{"type", type}, {"sequence_number", sequence_++}};
  for (auto& field : fields) event.emplace(field.key(), std::move(field.value()));
  return SseEvent(type, event);
}

std::string ResponsesStream::PartEvent(std::string_view type, std::string_view index_name,
                                       json::Object fields) {
  json::Object event{{"item_id", item_id_}, {"output_index", output_.size()}};
  if (!index_name.empty()) event.emplace(index_name, 0);
  for (auto& field : fields) event.emplace(field.key(), std::move(field.value()));
  return Event(type, std::move(event));
}

json::Object ResponsesStream::Response(std::string_view status) const {
  json::Object out{{"id", "resp_" + head_.token},
                   {"object", "response"},
                   {"created_at", head_.created_s},
                   {"completed_at", nullptr},
                   {"status", status},
                   {"incomplete_details", nullptr},
                   {"model", head_.model},
                   {"previous_response_id", nullptr},
                   {"output", output_},
                   {"error", nullptr},
                   {"usage", nullptr},
                   {"max_tool_calls", nullptr},
                   {"store", false},
                   {"background", false},
                   {"service_tier", "default"},
                   {"safety_identifier", nullptr},
                   {"prompt_cache_key", nullptr}};
  for (const auto& field : head_.echo) out.emplace(field.key(), field.value());
  return out;
}

void ResponsesStream::Begin(std::string* out) {
  if (std::exchange(begun_, true)) return;
  *out += Event("response.created", {{"response", Response("in_progress")}});
  *out += Event("response.in_progress", {{"response", Response("in_progress")}});
}

void ResponsesStream::Open(Item item, std::string_view prefix, json::Object fields,
                           std::string* out) {
  Close(true, out);
  item_ = item;
  item_id_ = fmt::format("{}_{}_{}", prefix, head_.token, output_.size());
  json::Object object{{"id", item_id_}};
  for (auto& field : fields) object.emplace(field.key(), std::move(field.value()));
  *out += Event("response.output_item.added",
                {{"output_index", output_.size()}, {"item", std::move(object)}});
}

void ResponsesStream::OpenReasoning(std::string* out) {
  Open(Item::kReasoning, "rs",
       {{"type", "reasoning"}, {"status", "in_progress"}, {"summary", json::Array()}}, out);
  *out += PartEvent("response.reasoning_summary_part.added", "summary_index",
                    {{"part", json::Object{{"type", "summary_text"}, {"text", ""}}}});
}

void ResponsesStream::OpenMessage(std::string* out) {
  Open(Item::kMessage, "msg",
       {{"type", "message"},
        {"status", "in_progress"},
        {"role", "assistant"},
        {"content", json::Array()}},
       out);
  *out += PartEvent("response.content_part.added", "content_index", {{"part", TextPart()}});
}

void ResponsesStream::TakeCall(const ToolCallDelta& delta, std::string* out) {
  if (!delta.name.empty()) {
    Open(Item::kCall, "fc",
         {{"type", "function_call"},
          {"status", "in_progress"},
          {"call_id", delta.id},
          {"name", delta.name},
          {"arguments", ""}},
         out);
    call_complete_ = false;
    call_id_ = delta.id;
    call_name_ = delta.name;
  }
  if (delta.arguments.empty()) return;
  text_ += delta.arguments;
  *out += PartEvent("response.function_call_arguments.delta", "", {{"delta", delta.arguments}});
}

json::Object ResponsesStream::TextPart() const {
  return {{"type", "output_text"},
          {"text", text_},
          {"annotations", json::Array()},
          {"logprobs", logprobs_}};
}

void ResponsesStream::CloseReasoning(json::Object* item, std::string* out) {
  const json::Object part{{"type", "summary_text"}, {"text", text_}};
  *item = {{"id", item_id_},
           {"type", "reasoning"},
           {"summary", json::Array{part}},
           {"encrypted_content", text_}};
  *out += PartEvent("response.reasoning_summary_text.done", "summary_index", {{"text", text_}});
  *out += PartEvent("response.reasoning_summary_part.done", "summary_index", {{"part", part}});
}

void ResponsesStream::CloseMessage(json::Object* item, std::string* out) {
  *item = {{"id", item_id_},
           {"type", "message"},
           {"role", "assistant"},
           {"content", json::Array{TextPart()}}};
  *out += PartEvent("response.output_text.done", "content_index",
                    {{"text", text_}, {"logprobs", logprobs_}});
  *out += PartEvent("response.content_part.done", "content_index", {{"part", TextPart()}});
}

void ResponsesStream::CloseCall(json::Object* item, std::string* out) {
  *item = {{"id", item_id_},
           {"type", "function_call"},
           {"call_id", call_id_},
           {"name", call_name_},
           {"arguments", text_}};
  *out += PartEvent("response.function_call_arguments.done", "",
                    {{"name", call_name_}, {"arguments", text_}});
}

void ResponsesStream::Close(bool whole, std::string* out) {
  json::Object item;
  switch (std::exchange(item_, Item::kNone)) {
    case Item::kNone:
      return;
    case Item::kReasoning:
      CloseReasoning(&item, out);
      break;
    case Item::kMessage:
      CloseMessage(&item, out);
      break;
    case Item::kCall:
      CloseCall(&item, out);
      whole = call_complete_;
      break;
  }
  item.emplace("status", whole ? "completed" : "incomplete");
  *out += Event("response.output_item.done", {{"output_index", output_.size()}, {"item", item}});
  output_.push_back(std::move(item));
  text_.clear();
  logprobs_.clear();
}

std::string ResponsesStream::Take(const Piece& piece) {
  std::string out;
  if (piece.thinking.empty() && piece.content.empty() && piece.call_deltas.empty()) return out;
  Begin(&out);
  // What continues the open call comes before the text of this piece, new calls after it.
  auto delta = piece.call_deltas.begin();
  const auto end = piece.call_deltas.end();
  for (; delta != end && delta->name.empty(); ++delta) TakeCall(*delta, &out);
  MarkComplete(piece);
  if (!piece.thinking.empty()) {
    if (item_ != Item::kReasoning) OpenReasoning(&out);
    text_ += piece.thinking;
    out += PartEvent("response.reasoning_summary_text.delta", "summary_index",
                     {{"delta", piece.thinking}});
  }
  if (!piece.content.empty()) {
    if (item_ != Item::kMessage) OpenMessage(&out);
    text_ += piece.content;
    json::Object logprobs = WriteOpenAiLogprobs(piece.logprobs);
    json::Array& list = logprobs["content"].get_array();
    logprobs_.insert(logprobs_.end(), list.begin(), list.end());
    out += PartEvent("response.output_text.delta", "content_index",
                     {{"delta", piece.content}, {"logprobs", std::move(list)}});
  }
  for (; delta != end; ++delta) {
    TakeCall(*delta, &out);
    MarkComplete(piece);
  }
  return out;
}

void ResponsesStream::MarkComplete(const Piece& piece) {
  call_complete_ =
      call_complete_ || std::any_of(piece.calls.begin(), piece.calls.end(),
                                    [&](const ToolCall& call) { return call.id == call_id_; });
}

std::string ResponsesStream::End(const Finish& finish, int64_t now_s) {
  std::string out;
  Begin(&out);
  const bool whole = finish.done_reason != "length";
  // An answer without a word is a message without one.
  if (output_.empty() && item_ == Item::kNone) OpenMessage(&out);
  Close(whole, &out);
  response_ = Response(whole ? "completed" : "incomplete");
  response_["usage"] = Usage(finish);
  if (whole) {
    response_["completed_at"] = now_s;
  } else {
    response_["incomplete_details"] = json::Object{{"reason", "max_output_tokens"}};
  }
  out += Event(whole ? "response.completed" : "response.incomplete", {{"response", response_}});
  return out;
}

json::Object ResponsesStream::Whole(Piece whole, const Finish& finish, int64_t now_s) {
  whole.call_deltas.clear();
  for (const ToolCall& call : whole.calls) {
    whole.call_deltas.push_back({call.index, call.id, call.name, call.arguments_json});
  }
  Take(whole);
  End(finish, now_s);
  return std::move(response_);
}

std::string ResponsesStream::Fail(std::string_view message) {
  std::string out;
  Begin(&out);
  Close(false, &out);
  json::Object response = Response("failed");
  response["error"] = json::Object{{"code", "server_error"}, {"message", message}};
  out += Event("response.failed", {{"response", std::move(response)}});
  return out;
}

}  // namespace axollama::api
