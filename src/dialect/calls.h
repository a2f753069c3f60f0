// The calls of one answer as they are being written: where the bodies' parsers put what they find.
//
// Owner: the Parser. Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/tools.h"

namespace axollama::dialect {

// A part of a call. `name` comes with its first part only.
struct CallDelta {
  int64_t index = 0;
  std::string name;
  std::string arguments;  // the next bytes of its JSON
};

struct Call {
  int64_t index = 0;
  std::string name;
  std::string arguments;  // an object; its keys in the order in which they came
};

// What has come since the last time, in the order thinking, content, calls.
struct Output {
  std::string thinking, content;
  std::vector<CallDelta> call_deltas;
  std::vector<Call> calls;  // complete, their arguments valid JSON

  bool empty() const {
    return thinking.empty() && content.empty() && call_deltas.empty() && calls.empty();
  }
};

class CallWriter {
 public:
  explicit CallWriter(const std::vector<Tool>& tools) : tools_(tools) {}

  // Where deltas and calls go until the next time.
  void SetOutput(Output* out) { out_ = out; }
  const Tool* Find(std::string_view name) const { return FindTool(tools_, name); }

  // From here on the client may see a call of `tool`.
  void Begin(const Tool& tool);
  void Add(std::string_view arguments);
  // The arguments are whole. False: they are no JSON object after all.
  bool End();
  // The call begun, if any, comes to nothing; its index is not used again.
  void Abandon();

  bool begun() const { return begun_; }
  int64_t completed() const { return completed_; }

 private:
  const std::vector<Tool>& tools_;
  Output* out_ = nullptr;
  Call call_;
  bool begun_ = false;
  int64_t completed_ = 0;
};

}  // namespace axollama::dialect
