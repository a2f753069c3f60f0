// Writes one JSON object member by member, without making a value of it first: for the lines of
// streams, which are written for each token while a client waits.
//
// Text is escaped as by json::WriteTo. Owner: the caller, on its stack; `out` outlives it. Threads:
// one.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace axollama::json {

class ObjectWriter {
 public:
  explicit ObjectWriter(std::string* out) : out_(out) { out_->push_back('{'); }

  void Add(std::string_view key, std::string_view text) {
    Key(key);
    WriteStringTo(text, out_);
  }
  void Add(std::string_view key, const char* text) { Add(key, std::string_view(text)); }
  void Add(std::string_view key, bool value) {
    Key(key);
    out_->append(value ? "true" : "false");
  }
  void Add(std::string_view key, int64_t value) { Add(key, Value(value)); }
  void Add(std::string_view key, const Value& value) {
    Key(key);
    WriteTo(value, out_);
  }
  // A member that is an object: what its own writer writes next. End that one first.
  ObjectWriter AddObject(std::string_view key) {
    Key(key);
    return ObjectWriter(out_);
  }
  void End() { out_->push_back('}'); }

 private:
  void Key(std::string_view key) {
    if (!first_) out_->push_back(',');
    first_ = false;
    WriteStringTo(key, out_);
    out_->push_back(':');
  }

  std::string* const out_;
  bool first_ = true;
};

}  // namespace axollama::json
