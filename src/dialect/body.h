// What stands after a call's opening mark, read byte by byte: one class per syntax.
//
// Each reads from its first byte that is no space to the last byte of its syntax; closing marks are
// the Parser's. Owner: the Parser, a new one per mark. Threads: one at a time. No recursion.
#pragma once

#include <memory>
#include <string_view>

#include "dialect/calls.h"
#include "dialect/dialect.h"

namespace axollama::dialect {

enum class Step {
  kMore,
  kEnd,   // the last byte of the syntax
  kFail,  // with this byte it cannot be a call
};

class CallBody {
 public:
  virtual ~CallBody() = default;
  virtual Step Push(char c) = 0;

 protected:
  CallBody() = default;
};

// The body whose first byte `c` could be, or null. `calls` must outlive it.
std::unique_ptr<CallBody> BeginBody(const CallForm& form, char c, CallWriter* calls);

std::unique_ptr<CallBody> NewJsonBody(CallWriter* calls);
std::unique_ptr<CallBody> NewNamedBody(const CallForm& form, CallWriter* calls);
// `from_name`: `<function=` was the mark and is read.
std::unique_ptr<CallBody> NewXmlBody(bool from_name, CallWriter* calls);

inline bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace axollama::dialect
