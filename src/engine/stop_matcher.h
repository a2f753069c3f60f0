// Finds stop strings in text that arrives in pieces.
//
// Bytes are judged one at a time, so the result does not depend on how tokens divide the text: the
// stop string that is complete first ends it; of several complete at the same byte, the longest.
// What may still become one is held back.
// Owner: the generator. Threads: one. Feed allocates only when a piece and what is held back
// outgrow every piece before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace axollama::engine {

class StopMatcher {
 public:
  // Empty strings are ignored. Forgets the text before.
  void Start(const std::vector<std::string>& stops);

  // The text that is certain by now: it may be shown. Valid until the next call. After a match
  // nothing more may be fed.
  std::string_view Feed(std::string_view bytes);

  // Index of the stop string that was found, in the list given to Start.
  std::optional<uint32_t> match() const { return match_; }

  // What is held back, at the end of a text without a match.
  std::string_view Flush();

 private:
  // One string and how far its Knuth-Morris-Pratt automaton has come.
  struct Stop {
    std::string text;
    std::vector<uint32_t> fallback;
    uint32_t index = 0;
    uint32_t matched = 0;
  };
  std::vector<Stop> stops_;
  std::string text_;  // [0, shown_) was given out by the last Feed
  size_t shown_ = 0;
  std::optional<uint32_t> match_;
};

}  // namespace axollama::engine
