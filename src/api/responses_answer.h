// OpenAI's responses: the answer as events, or whole as the last event's response.
//
// Owner and threads: one stream for each answer, used by one thread. Units: `created_s` in seconds
// since 1970. Source: facts 1.10 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/turn.h"
#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

struct ResponsesHead {
  std::string token;  // what the ids of this answer end in: resp_TOKEN, msg_TOKEN_0 ...
  int64_t created_s = 0;
  std::string model;  // as the client spelled it
  json::Object echo;  // of the request
};

// Events for Take..., then End or Fail. Items follow each other: reasoning, the message, then one
// for each call.
class ResponsesStream {
 public:
  explicit ResponsesStream(ResponsesHead head) : head_(std::move(head)) {}

  std::string Take(const Piece& piece);
  std::string End(const Finish& finish, int64_t now_s);
  // Take and End of an answer that is not streamed, as its response object.
  json::Object Whole(Piece whole, const Finish& finish, int64_t now_s);
  // response.failed
  std::string Fail(std::string_view message);

 private:
  enum class Item { kNone, kReasoning, kMessage, kCall };

  std::string Event(std::string_view type, json::Object fields);
  // An event about a part of the open item.
  std::string PartEvent(std::string_view type, std::string_view index_name, json::Object fields);
  json::Object Response(std::string_view status) const;
  void Begin(std::string* out);
  void Open(Item item, std::string_view prefix, json::Object fields, std::string* out);
  void OpenReasoning(std::string* out);
  void OpenMessage(std::string* out);
  void TakeCall(const ToolCallDelta& delta, std::string* out);
  // Whether the open call is among the complete ones of `piece`.
  void MarkComplete(const Piece& piece);
  // `whole`: nothing cut it short.
  void Close(bool whole, std::string* out);
  void CloseReasoning(json::Object* item, std::string* out);
  void CloseMessage(json::Object* item, std::string* out);
  void CloseCall(json::Object* item, std::string* out);
  json::Object TextPart() const;

  const ResponsesHead head_;
  int64_t sequence_ = 0;
  bool begun_ = false;
  Item item_ = Item::kNone;
  std::string item_id_;
  std::string text_;      // of the open item: its text, or a call's arguments
  json::Array logprobs_;  // of the open message
  std::string call_id_, call_name_;
  bool call_complete_ = false;  // what was streamed of it turned out to be a call
  json::Array output_;          // items that are complete
  json::Object response_;
};

}  // namespace axollama::api
