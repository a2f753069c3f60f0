#include "engine/constraint.h"

#include <algorithm>

namespace axollama::engine {
namespace {

constexpr size_t kMostSpaces = 4;

bool IsSpace(std::string_view bytes) {
  return bytes.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

void Constraint::Start(const Request& request, const text::Tokenizer* tokenizer,
                       std::span<const int32_t> eos) {
  grammar_ = request.grammar.get();
  tokenizer_ = tokenizer;
  after_ = request.grammar_after;
  tail_.clear();
  spaces_ = 0;
  masked_ = false;
  phase_ = Phase::kNone;
  if (grammar_ == nullptr) return;
  phase_ = after_.empty() || tokenizer == nullptr ? Phase::kInside : Phase::kBefore;
  if (phase_ == Phase::kInside) return;
  std::fill(words_.begin(), words_.end(), ~0u);
  for (const int32_t id : eos) Forbid(id);
  masked_ = true;
}

Result<std::span<const uint32_t>> Constraint::Allowed() {
  if (phase_ == Phase::kNone) return std::span<const uint32_t>();
  if (!masked_) {
    AX_RETURN_IF_ERROR(phase_ == Phase::kBetween ? MaskBetween() : grammar_->Mask(words_));
    masked_ = true;
  }
  return std::span<const uint32_t>(words_);
}

// The grammar's own tokens, and white space that still fits.
Status Constraint::MaskBetween() {
  AX_RETURN_IF_ERROR(grammar_->Mask(words_));
  space_tokens_.clear();
  const auto count =
      static_cast<int32_t>(std::min<size_t>(tokenizer_->vocab_size(), words_.size() * 32));
  for (int32_t id = 0; id < count; ++id) {
    const std::string_view bytes = BytesOf(id);
    if (bytes.empty() || spaces_ + bytes.size() > kMostSpaces || !IsSpace(bytes)) continue;
    if (!Allows(id)) space_tokens_.push_back(id);
  }
  for (const int32_t id : space_tokens_) {
    words_[static_cast<size_t>(id) / 32] |= 1u << id % 32;
  }
  return {};
}

bool Constraint::Check(int32_t token) {
  if (phase_ != Phase::kBefore) return true;
  const std::string_view bytes = BytesOf(token);
  const size_t behind = BytesBehind(bytes);
  if (behind == std::string::npos || behind == 0) return true;
  if (behind <= kMostSpaces && IsSpace(bytes.substr(bytes.size() - behind))) return true;
  Forbid(token);
  return false;
}

Status Constraint::Accept(int32_t token) {
  switch (phase_) {
    case Phase::kNone:
      return {};
    case Phase::kBefore: {
      const std::string_view bytes = BytesOf(token);
      const size_t behind = BytesBehind(bytes);
      if (behind != std::string::npos) {
        phase_ = Phase::kBetween;
        spaces_ = behind;
        masked_ = false;
        return {};
      }
      tail_.append(bytes);
      if (tail_.size() >= after_.size()) tail_.erase(0, tail_.size() - after_.size() + 1);
      return {};
    }
    case Phase::kBetween:
      masked_ = false;
      if (std::find(space_tokens_.begin(), space_tokens_.end(), token) != space_tokens_.end()) {
        spaces_ += BytesOf(token).size();
        return {};
      }
      phase_ = Phase::kInside;
      return grammar_->Accept(token);
    case Phase::kInside:
      break;
  }
  masked_ = false;
  return grammar_->Accept(token);
}

Status Constraint::Forced(std::vector<int32_t>* tokens) {
  tokens->clear();
  // Between text and grammar the model may want white space first.
  if (phase_ != Phase::kInside || grammar_->complete()) return {};
  return grammar_->Forced(tokens);
}

size_t Constraint::BytesBehind(std::string_view bytes) {
  const size_t before = tail_.size();
  tail_.append(bytes);
  const size_t found = tail_.find(after_);
  const size_t behind = found == std::string::npos ? found : tail_.size() - found - after_.size();
  tail_.resize(before);
  return behind;
}

std::string_view Constraint::BytesOf(int32_t token) const {
  if (token < 0 || static_cast<uint32_t>(token) >= tokenizer_->vocab_size()) return {};
  const Result<std::string_view> bytes = tokenizer_->TokenBytes(token, true);
  return bytes ? *bytes : std::string_view();
}

bool Constraint::Allows(int32_t token) const {
  return words_[static_cast<size_t>(token) / 32] >> token % 32 & 1;
}

void Constraint::Forbid(int32_t token) {
  if (token < 0 || static_cast<size_t>(token) / 32 >= words_.size()) return;
  words_[static_cast<size_t>(token) / 32] &= ~(1u << token % 32);
}

}  // namespace axollama::engine
