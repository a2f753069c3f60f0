// A Hugging Face folder as a source: config.json, model.safetensors or the shards that
// model.safetensors.index.json names, and tokenizer.json or SentencePiece's tokenizer.model.
//
// Owner and threads: as Source. Tensors are mapped. Only plain names in the folder are followed, so
// an index cannot point elsewhere; symbolic links, as in Hugging Face's cache, are fine.
#pragma once

#include <vector>

#include "sim/build/safetensors.h"
#include "sim/build/settings_json.h"
#include "sim/build/source.h"

namespace axsim::build {

class HfSource final : public Source {
 public:
  static axollama::Result<HfSource> Open(const std::filesystem::path& folder);

  const std::filesystem::path& path() const override { return folder_; }
  const TensorMap& tensors() const override { return tensors_; }
  axollama::Result<ModelFacts> Facts() const override;
  axollama::Result<TokenizerFiles> Tokenizer(uint32_t vocab) const override;

 private:
  HfSource(std::filesystem::path folder, SettingsJson config)
      : folder_(std::move(folder)), config_(std::move(config)) {}
  axollama::Status AddFile(const std::string& name);
  axollama::Status AddShards();

  std::filesystem::path folder_;
  SettingsJson config_;
  std::vector<Safetensors> files_;
  TensorMap tensors_;  // views of files_
};

}  // namespace axsim::build
