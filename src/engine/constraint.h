// What an answer's grammar lets come next, from which text on.
//
// A request may name a text that the answer has to contain before its grammar begins, such as
// </think>: until then any token is free except those that end the answer. Up to four bytes of
// white space may stand between.
// Owner: the generator. Threads: one. Without a grammar nothing is done and nothing allocated.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/request.h"
#include "text/tokenizer.h"

namespace axollama::engine {

class Constraint {
 public:
  explicit Constraint(uint32_t vocab) : words_((vocab + 31) / 32) {}

  // A new answer. `request` must outlive it, and so must `tokenizer`, which may be null when
  // nothing has to come before the grammar.
  void Start(const Request& request, const text::Tokenizer* tokenizer,
             std::span<const int32_t> eos);

  // Bit i % 32 of word i / 32: token i may come next. Empty: any may. Valid until the next call.
  Result<std::span<const uint32_t>> Allowed();

  // Whether a token that Allowed() allows may come next after all: one that goes on behind the
  // text before the grammar may not. Allowed() leaves it out from then on.
  bool Check(int32_t token);

  // The token came next.
  Status Accept(int32_t token);

  // Overwrites `tokens` with those that must come next.
  Status Forced(std::vector<int32_t>* tokens);

  // Nothing can follow.
  bool complete() const { return phase_ == Phase::kInside && grammar_->complete(); }

 private:
  enum class Phase { kNone, kBefore, kBetween, kInside };

  // What a token, put behind tail_, makes of it: how many bytes follow the text that is waited
  // for, or npos when it is not there yet.
  size_t BytesBehind(std::string_view bytes);
  std::string_view BytesOf(int32_t token) const;
  bool Allows(int32_t token) const;
  void Forbid(int32_t token);
  Status MaskBetween();

  Phase phase_ = Phase::kNone;
  text::Grammar* grammar_ = nullptr;
  const text::Tokenizer* tokenizer_ = nullptr;
  std::string_view after_;
  std::string tail_;     // the end of the answer so far, kBefore
  size_t spaces_ = 0;    // bytes of white space behind after_, kBetween
  bool masked_ = false;  // words_ holds for the next token
  std::vector<uint32_t> words_;
  std::vector<int32_t> space_tokens_;  // that the grammar itself does not allow here, kBetween
};

}  // namespace axollama::engine
