// For tests of the engine and the runner: a model and a tokenizer without device or files.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "npu/model.h"
#include "text/tokenizer.h"

namespace axollama::engine {

// Logits are a pure function of the tokens in the cache; the cache is checked as a device would
// not: rows that were never computed may not be built upon.
class FakeModel : public npu::Model {
 public:
  using LogitsOf = std::function<void(std::span<const int32_t> tokens, std::span<float> logits)>;
  struct Call {
    bool decode = false;
    uint32_t history = 0;
    std::vector<int32_t> tokens;
    bool operator==(const Call&) const = default;
  };

  explicit FakeModel(npu::Limits limits, LogitsOf logits_of = Mixed)
      : limits_(limits), logits_of_(std::move(logits_of)), logits_(limits.vocab) {
    rows_.reserve(limits.context_tokens);
  }

  const npu::Limits& limits() const override { return limits_; }
  npu::Logits logits() const override { return logits_; }
  bool queues() const override { return false; }
  const npu::Counters& counters() const override { return counters_; }
  uint64_t cmm_bytes() const override { return 12345; }

  Status Prefill(std::span<const int32_t> tokens, uint32_t history, const npu::StopCheck& stop,
                 const std::function<Status(size_t)>& on_row) override {
    calls.push_back({false, history, {tokens.begin(), tokens.end()}});
    if (tokens.empty() || history + tokens.size() > limits_.max_prompt_tokens) {
      return Fail(ErrorKind::kInternal, "prefill out of bounds");
    }
    AX_RETURN_IF_ERROR(Begin(history));
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (stop && stop()) return Fail(ErrorKind::kCancelled, "stopped");
      if (before_row) AX_RETURN_IF_ERROR(before_row());
      rows_.push_back(tokens[i]);
      if (on_row || i + 1 == tokens.size()) logits_of_(rows_, logits_);
      if (on_row) AX_RETURN_IF_ERROR(on_row(i));
    }
    return {};
  }

  Status Decode(int32_t token, uint32_t position) override {
    calls.push_back({true, position, {token}});
    AX_RETURN_IF_ERROR(Begin(position));
    if (before_row) AX_RETURN_IF_ERROR(before_row());
    rows_.push_back(token);
    logits_of_(rows_, logits_);
    return {};
  }

  // Every id gets its own reproducible number in [-4, 4).
  static void Mixed(std::span<const int32_t> tokens, std::span<float> logits) {
    uint64_t hash = 1469598103934665603u;
    for (const int32_t token : tokens) {
      hash = (hash ^ static_cast<uint64_t>(token + 1)) * 1099511628211u;
    }
    for (size_t id = 0; id < logits.size(); ++id) {
      uint64_t z = hash + (id + 1) * 0x9e3779b97f4a7c15u;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      logits[id] = static_cast<float>(z >> 40) * 0x1p-21f - 4.0f;
    }
  }

  // Answers a prompt of `prompt_tokens` with `answer`, token after token, then `end` for ever.
  static LogitsOf Scripted(size_t prompt_tokens, std::vector<int32_t> answer, int32_t end) {
    return [=](std::span<const int32_t> tokens, std::span<float> logits) {
      std::fill(logits.begin(), logits.end(), 0.0f);
      const size_t at = tokens.size() - prompt_tokens;
      logits[static_cast<size_t>(at < answer.size() ? answer[at] : end)] = 10.0f;
    };
  }

  std::vector<Call> calls;
  std::function<Status()> before_row;  // called before each row is computed

 private:
  Status Begin(uint32_t history) {
    if (history > rows_.size()) return Fail(ErrorKind::kInternal, "rows were never computed");
    if (history >= limits_.context_tokens) return Fail(ErrorKind::kInternal, "out of the context");
    rows_.resize(history);
    return {};
  }

  npu::Limits limits_;
  LogitsOf logits_of_;
  std::vector<float> logits_;
  std::vector<int32_t> rows_;
  npu::Counters counters_;
};

// Follows a pattern byte by byte: `?` is any letter from a to z, `+` at the end any number of them,
// `!` a grammar that breaks here, everything else itself.
class FakeGrammar : public text::Grammar {
 public:
  FakeGrammar(std::string pattern, std::vector<int32_t> eos)
      : pattern_(std::move(pattern)), eos_(std::move(eos)) {}

  Status Mask(std::span<uint32_t> words) override {
    std::fill(words.begin(), words.end(), 0u);
    const auto allow = [&](int32_t id) { words[static_cast<size_t>(id) / 32] |= 1u << id % 32; };
    const char next = Next();
    if (next == '!') return Fail(ErrorKind::kInvalid, "the grammar is too complex");
    if (next == '?' || next == '+') {
      for (int32_t id = 'a'; id <= 'z'; ++id) allow(id);
    } else if (next != 0) {
      allow(static_cast<unsigned char>(next));
    }
    if (next == 0 || next == '+') {
      for (const int32_t id : eos_) allow(id);
    }
    return {};
  }
  Status Accept(int32_t token) override {
    const char next = Next();
    const bool letter = token >= 'a' && token <= 'z';
    const bool fits =
        next == '?' || next == '+' ? letter : token == static_cast<unsigned char>(next);
    if (!fits) return Fail(ErrorKind::kInvalid, "token " + std::to_string(token) + " does not fit");
    if (next != '+') ++at_;
    return {};
  }
  Status Forced(std::vector<int32_t>* tokens) override {
    tokens->clear();
    for (size_t at = at_; at < pattern_.size() && !std::strchr("?+!", pattern_[at]); ++at) {
      tokens->push_back(static_cast<unsigned char>(pattern_[at]));
    }
    return {};
  }
  bool complete() const override { return at_ == pattern_.size(); }

 private:
  char Next() const { return at_ < pattern_.size() ? pattern_[at_] : '\0'; }

  const std::string pattern_;
  const std::vector<int32_t> eos_;
  size_t at_ = 0;
};

class FakeGrammars : public text::Grammars {
 public:
  explicit FakeGrammars(std::vector<int32_t> eos) : eos_(std::move(eos)) {}
  Result<std::unique_ptr<text::Grammar>> Compile(text::GrammarKind kind,
                                                 std::string_view text) const override {
    if (text == "bad") return Fail(ErrorKind::kInvalid, "the grammar cannot be followed: bad");
    std::string pattern(text);
    if (kind == text::GrammarKind::kJsonSchema) pattern = "{}";
    return std::make_unique<FakeGrammar>(std::move(pattern), eos_);
  }

 private:
  const std::vector<int32_t> eos_;
};

// Ids 0..255 are bytes; the ids after them are the words and, last, the special tokens given.
class FakeTokenizer : public text::Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<std::string> words = {}, std::vector<std::string> special = {})
      : first_special_(static_cast<int32_t>(256 + words.size())) {
    for (int i = 0; i < 256; ++i) pieces_.emplace_back(1, static_cast<char>(i));
    for (std::string& word : words) pieces_.push_back(std::move(word));
    for (std::string& word : special) pieces_.push_back(std::move(word));
  }

  // One token a byte; special tokens are recognised.
  Result<std::vector<int32_t>> Encode(std::string_view text,
                                      const text::EncodeOptions& options) const override {
    std::vector<int32_t> ids;
    while (!text.empty()) {
      int32_t found = static_cast<unsigned char>(text[0]);
      for (int32_t id = first_special_; options.parse_special && id < size(); ++id) {
        if (text.starts_with(pieces_[static_cast<size_t>(id)])) found = id;
      }
      ids.push_back(found);
      text.remove_prefix(pieces_[static_cast<size_t>(found)].size());
    }
    return ids;
  }
  Result<std::string_view> TokenBytes(int32_t id, bool special) const override {
    if (id < 0 || id >= size()) {
      return Fail(ErrorKind::kInvalid, "no token " + std::to_string(id));
    }
    if (IsSpecial(id) && !special) return std::string_view();
    return std::string_view(pieces_[static_cast<size_t>(id)]);
  }
  Result<std::string> Decode(std::span<const int32_t> ids, bool special) const override {
    std::string out;
    for (const int32_t id : ids) {
      AX_ASSIGN_OR_RETURN(const std::string_view bytes, TokenBytes(id, special));
      out += bytes;
    }
    return out;
  }
  std::optional<int32_t> TokenToId(std::string_view token) const override {
    for (int32_t id = 0; id < size(); ++id) {
      if (pieces_[static_cast<size_t>(id)] == token) return id;
    }
    return std::nullopt;
  }
  bool IsSpecial(int32_t id) const override { return id >= first_special_; }
  uint32_t vocab_size() const override { return static_cast<uint32_t>(pieces_.size()); }
  Result<std::unique_ptr<text::Grammars>> MakeGrammars(
      uint32_t, std::span<const int32_t> eos) const override {
    return std::make_unique<FakeGrammars>(std::vector<int32_t>(eos.begin(), eos.end()));
  }

 private:
  int32_t size() const { return static_cast<int32_t>(pieces_.size()); }
  int32_t first_special_;
  std::vector<std::string> pieces_;
};

}  // namespace axollama::engine
