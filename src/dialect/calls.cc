#include "dialect/calls.h"

#include <utility>

#include "base/json.h"

namespace axollama::dialect {

void CallWriter::Begin(const Tool& tool) {
  begun_ = true;
  call_.name = tool.name;
  call_.arguments.clear();
  out_->call_deltas.push_back({call_.index, tool.name, ""});
}

void CallWriter::Add(std::string_view arguments) {
  if (arguments.empty()) return;
  call_.arguments += arguments;
  if (out_->call_deltas.empty() || out_->call_deltas.back().index != call_.index) {
    out_->call_deltas.push_back({call_.index, "", ""});
  }
  out_->call_deltas.back().arguments += arguments;
}

bool CallWriter::End() {
  if (!json::ParseObject(call_.arguments, "the arguments")) return false;
  ++completed_;
  begun_ = false;
  out_->calls.push_back(
      {call_.index++, std::exchange(call_.name, {}), std::exchange(call_.arguments, {})});
  return true;
}

void CallWriter::Abandon() {
  if (!begun_) return;
  begun_ = false;
  ++call_.index;
}

}  // namespace axollama::dialect
