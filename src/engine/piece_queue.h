// An answer on its way from the engine's thread to the thread that serves its client.
//
// Owner: both sides share it. Threads: one writer, one reader. The writer never waits and, while
// the reader keeps up, never allocates: there is room for a whole answer from the start.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"

namespace axollama::engine {

// Where an answer goes, on the generator's thread; must not block for long.
class PieceSink {
 public:
  virtual ~PieceSink() = default;
  // A token was chosen that is no end of the answer. Its text may come later, with others, or
  // never (a stop string cuts it). `logprobs`: its own, then those of the likeliest; empty when the
  // request asks for none.
  virtual void OnToken(int32_t id, std::span<const TokenLogprob> logprobs) = 0;
  // Whole UTF-8 characters, never empty.
  virtual void OnText(std::string_view text) = 0;
};

class PieceQueue : public PieceSink {
 public:
  explicit PieceQueue(size_t most_tokens);

  void OnToken(int32_t id, std::span<const TokenLogprob> logprobs) override;
  void OnText(std::string_view text) override;
  void Finish(Outcome outcome);

  // Waits for text, and gives all that there is, with every token chosen since the last call.
  // `logprobs`, if not null, gets what OnToken got, one after the other. False at the end: the
  // outcome is there. All arguments are overwritten.
  bool Read(std::string* text, std::vector<int32_t>* tokens,
            std::vector<TokenLogprob>* logprobs = nullptr);
  // After Read was false.
  const Outcome& outcome() const { return outcome_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;  // not read yet
  std::vector<int32_t> tokens_;
  std::vector<TokenLogprob> logprobs_;
  bool finished_ = false;
  Outcome outcome_;
};

}  // namespace axollama::engine
