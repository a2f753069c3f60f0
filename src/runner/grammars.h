// The grammars of a loaded model, made ready when the first request asks for one.
//
// Owner: ModelInfo. Threads: any. Errors: kInvalid for a grammar that cannot be followed.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace axollama::runner {

class ModelGrammars {
 public:
  ModelGrammars(std::shared_ptr<const text::Tokenizer> tokenizer, uint32_t vocab,
                std::vector<int32_t> eos_ids)
      : tokenizer_(std::move(tokenizer)), vocab_(vocab), eos_ids_(std::move(eos_ids)) {}

  Result<std::unique_ptr<text::Grammar>> Compile(text::GrammarKind kind,
                                                 std::string_view text) const {
    {
      const std::lock_guard lock(mutex_);
      if (grammars_ == nullptr) {
        AX_ASSIGN_OR_RETURN(grammars_, tokenizer_->MakeGrammars(vocab_, eos_ids_));
      }
    }
    return grammars_->Compile(kind, text);
  }

 private:
  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const uint32_t vocab_;
  const std::vector<int32_t> eos_ids_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<text::Grammars> grammars_;  // once there, it stays
};

}  // namespace axollama::runner
