// A GGUF file as a source: its keys in the words of ModelFacts, its tokenizer as tokenizer.json.
//
// Owner and threads: as Source.
#pragma once

#include "sim/build/gguf.h"
#include "sim/build/source.h"

namespace axsim::build {

class GgufSource final : public Source {
 public:
  static axollama::Result<GgufSource> Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const override { return gguf_.path(); }
  const TensorMap& tensors() const override { return gguf_.tensors(); }
  axollama::Result<ModelFacts> Facts() const override;
  axollama::Result<TokenizerFiles> Tokenizer(uint32_t vocab) const override;

 private:
  explicit GgufSource(Gguf gguf) : gguf_(std::move(gguf)) {}
  Gguf gguf_;
};

}  // namespace axsim::build
