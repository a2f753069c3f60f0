#include "engine/piece_queue.h"

#include <algorithm>
#include <utility>

namespace axollama::engine {
namespace {

// A token's text is rarely longer than this on average, and a reader is rarely behind at all.
constexpr size_t kBytesPerToken = 16;
constexpr size_t kMostReservedBytes = 1u << 20;

}  // namespace

PieceQueue::PieceQueue(size_t most_tokens) {
  tokens_.reserve(most_tokens);
  text_.reserve(std::min(most_tokens * kBytesPerToken, kMostReservedBytes));
}

void PieceQueue::OnToken(int32_t id, std::span<const TokenLogprob> logprobs) {
  const std::lock_guard lock(mutex_);
  tokens_.push_back(id);
  logprobs_.insert(logprobs_.end(), logprobs.begin(), logprobs.end());
}

void PieceQueue::OnText(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    text_.append(text);
  }
  changed_.notify_one();
}

void PieceQueue::Finish(Outcome outcome) {
  {
    const std::lock_guard lock(mutex_);
    outcome_ = std::move(outcome);
    finished_ = true;
  }
  changed_.notify_one();
}

bool PieceQueue::Read(std::string* text, std::vector<int32_t>* tokens,
                      std::vector<TokenLogprob>* logprobs) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return finished_ || !text_.empty(); });
  // Copied, not swapped: the writer keeps its room.
  text->assign(text_);
  tokens->assign(tokens_.begin(), tokens_.end());
  if (logprobs != nullptr) logprobs->assign(logprobs_.begin(), logprobs_.end());
  const bool any = !text_.empty() || !tokens_.empty();
  text_.clear();
  tokens_.clear();
  logprobs_.clear();
  return any;
}

}  // namespace axollama::engine
