// What a bundle is built from: a GGUF file or a Hugging Face folder.
//
// Owner: the caller; views into tensors live as long as the Source. Threads: const use from any
// thread. Errors: one line that names the file and what is wrong. Arbitrary files are safe.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "sim/build/facts.h"
#include "sim/build/tensor.h"
#include "sim/build/tokenizer_json.h"

namespace axsim::build {

class Source {
 public:
  virtual ~Source() = default;

  virtual const std::filesystem::path& path() const = 0;
  virtual const TensorMap& tensors() const = 0;
  // Refuses by name what spec::Program cannot say: other architectures, experts, capped logits,
  // RoPE scaling other than by factors that do not depend on the position.
  virtual axollama::Result<ModelFacts> Facts() const = 0;
  // `vocab`: the rows of the embedding.
  virtual axollama::Result<TokenizerFiles> Tokenizer(uint32_t vocab) const = 0;

  // nullptr: there is none.
  const Tensor* FindTensor(std::string_view name) const {
    const auto found = tensors().find(name);
    return found == tensors().end() ? nullptr : &found->second;
  }
};

axollama::Result<std::unique_ptr<Source>> OpenSource(const std::filesystem::path& path);

}  // namespace axsim::build
