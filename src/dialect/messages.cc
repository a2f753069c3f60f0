#include "dialect/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

namespace axollama::dialect {
namespace {

std::string_view Text(const json::Object& object, std::string_view key) {
  const json::Value* value = json::Find(object, key);
  return value != nullptr && value->is_string() ? json::View(value->get_string()) : "";
}

// Letters and digits only, `length` of them, the same for the same id.
std::string Id(std::string_view id, uint32_t length) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  const auto is_digit = [&](char c) {
    return kDigits.find(c) != std::string_view::npos || (c >= 'A' && c <= 'Z');
  };
  if (length == 0 || (id.size() == length && std::all_of(id.begin(), id.end(), is_digit))) {
    return std::string(id);
  }
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::string made;
  for (; made.size() < length; hash /= kDigits.size()) made += kDigits[hash % kDigits.size()];
  return made;
}

class Rewriter {
 public:
  explicit Rewriter(const Dialect& dialect) : dialect_(dialect) {}

  json::Array Rewrite(const json::Array& messages) {
    for (const json::Value& value : messages) {
      if (const json::Object* message = value.if_object()) {
        Take(*message);
      } else {
        out_.push_back(value);
      }
    }
    Flush();
    return std::move(out_);
  }

 private:
  struct Open {
    std::string given_id, id, name;
    json::Object message;  // with this call alone; where messages are split
  };

  void Take(json::Object message) {
    if (Text(message, "role") == "tool") return TakeAnswer(std::move(message));
    Flush();
    const json::Value* calls = json::Find(message, "tool_calls");
    if (calls == nullptr || !calls->is_array() || calls->get_array().empty()) {
      message.erase("tool_calls");
      out_.push_back(std::move(message));
      return;
    }
    TakeCalls(std::move(message));
  }

  void TakeCalls(json::Object message) {
    json::Array calls = std::move(message["tool_calls"].get_array());
    const bool split = dialect_.one_call_per_message && calls.size() > 1;
    json::Object rest = message;
    for (json::Value& value : calls) {
      if (!value.is_object()) continue;
      Open open = MakeCall(&value.get_object());
      if (split) {
        open.message = rest;
        open.message["tool_calls"] = json::Array{value};
        rest["content"] = "";  // said once, with the first call
        rest.erase("reasoning_content");
      }
      open_.push_back(std::move(open));
    }
    if (split) return;
    message["tool_calls"] = std::move(calls);
    out_.push_back(std::move(message));
  }

  Open MakeCall(json::Object* call) {
    Open open;
    open.given_id = std::string(Text(*call, "id"));
    open.id = Id(open.given_id.empty() ? fmt::format("call_{:08}", made_++) : open.given_id,
                 dialect_.call_id_length);
    (*call)["id"] = open.id;
    const json::Value* function = json::Find(*call, "function");
    if (function == nullptr || !function->is_object()) return open;
    open.name = std::string(Text(function->get_object(), "name"));
    json::Object& body = (*call)["function"].get_object();
    const json::Value* arguments = json::Find(body, "arguments");
    if (arguments == nullptr) {
      body["arguments"] = json::Object();
      arguments = json::Find(body, "arguments");
    }
    if (dialect_.arguments_as_text && !arguments->is_string()) {
      body["arguments"] = json::Write(*arguments);
    }
    return open;
  }

  void TakeAnswer(json::Object message) {
    const std::string_view id = Text(message, "tool_call_id");
    auto call = open_.begin();
    if (!id.empty()) {
      while (call != open_.end() && call->given_id != id) ++call;
    }
    if (call == open_.end()) {
      if (!id.empty()) message["tool_call_id"] = Id(id, dialect_.call_id_length);
      out_.push_back(std::move(message));
      return;
    }
    message["tool_call_id"] = call->id;
    if (Text(message, "name").empty() && !call->name.empty()) message["name"] = call->name;
    if (!call->message.empty()) out_.push_back(std::move(call->message));
    out_.push_back(std::move(message));
    open_.erase(call);
  }

  // Calls that nothing answered.
  void Flush() {
    for (Open& open : open_) {
      if (!open.message.empty()) out_.push_back(std::move(open.message));
    }
    open_.clear();
  }

  const Dialect& dialect_;
  json::Array out_;
  std::deque<Open> open_;  // calls that are not answered yet
  int64_t made_ = 0;
};

}  // namespace

json::Array ForTemplate(const Dialect& dialect, const json::Array& messages) {
  return Rewriter(dialect).Rewrite(messages);
}

}  // namespace axollama::dialect
