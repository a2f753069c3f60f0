// Takes an answer apart while it is being written: thinking, content, tool calls.
//
// The text may be cut anywhere, also inside a mark: what comes out, joined, is the same. Thinking
// is looked for at the answer's begin only, calls only when the request has tools. Spaces around
// thinking and before and after calls are no part of anything. What turns out to be no call (bad
// JSON, a name that is not among the tools, an answer that ends inside) is given back as text, all
// of it; parts of it that were already given out as call deltas stay without their complete Call.
// Held back are at most a mark, kMostSpaces of white space and kLongestCall of a call.
//
// Owner: the caller, one per answer. Threads: one at a time. Linear in the text's length.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/body.h"
#include "dialect/calls.h"
#include "dialect/dialect.h"
#include "dialect/tools.h"

namespace axollama::dialect {

struct ParserOptions {
  bool thinking = true;         // split it off; false: it is content
  bool thinking_begun = false;  // EndsInThinking of the prompt
  std::vector<Tool> tools;      // empty: no calls
};

class Parser {
 public:
  static constexpr size_t kMostSpaces = 256;
  static constexpr size_t kLongestCall = size_t{1} << 20;

  Parser(const Dialect& dialect, ParserOptions options);
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // Appends to `out`.
  void Push(std::string_view text, Output* out);
  // The answer is over: what was held back comes out.
  void Finish(Output* out);

  bool in_thinking() const { return in_thinking_; }
  int64_t calls() const { return writer_.completed(); }

 private:
  enum class State {
    kText,
    kPrelude,  // after a prelude: its form's opening mark must follow
    kBody,     // after an opening mark
    kAfter,    // after a call: closing marks, further calls
  };
  struct Mark {
    enum class Kind { kThinkOpen, kThinkClose, kPrelude, kOpen } kind;
    std::string_view text;
    uint32_t form = 0;
  };

  void Byte(char c);
  void Text(char c);
  void Prelude(char c);
  void Body(char c);
  void After(char c);
  void OnMark(const Mark& mark);
  void BeginCall(uint32_t form, std::string_view read);
  void GiveUp();
  void Release();
  void Say(std::string_view text);
  bool IsSought(const Mark& mark) const;
  bool CouldBeMark(std::string_view text, const Mark** whole) const;
  bool AtBareCall(char c) const;

  const Dialect dialect_;
  const ParserOptions options_;
  CallWriter writer_;
  std::vector<Mark> marks_;
  int bare_ = -1;  // the form without a mark, if there is one
  Output* out_ = nullptr;

  State state_ = State::kText;
  bool in_thinking_ = false;
  bool may_open_ = false;   // nothing has come: the opening mark of thinking may
  bool may_close_ = false;  // a call ended the thinking: its closing mark may still come
  bool untouched_ = true;   // nothing but space has come of the content
  bool skip_spaces_ = false;
  std::string spaces_;   // held back before what is held_
  std::string held_;     // what may be the begin of a mark
  uint32_t form_ = 0;    // of the call
  bool closed_ = false;  // a closing mark has come
  std::string raw_;      // of the call, back to where the last one ended
  std::unique_ptr<CallBody> body_;
};

}  // namespace axollama::dialect
