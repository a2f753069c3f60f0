// What a GGUF model computes, in the words of spec::Program: its layers, its post model, and which
// tensor becomes which weight.
//
// A table says how the architectures differ; everything after it (quantising, writing, naming) is
// the same for all. Layers may differ from each other.
// Owner: plain values. Threads: plain functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/build/gguf.h"
#include "sim/spec/program.h"

namespace axsim::build {

// How the rows of q and k lie in the source. RoPE turns pairs of rows: the program pairs
// (i, i + rope_dims / 2); llama.cpp's converter stores some architectures with pairs (2i, 2i + 1).
enum class RowOrder { kPlain, kInterleavedPairs };

struct WeightRule {
  std::string weight;  // in the program: "q"
  std::string tensor;  // in the GGUF: "blk.0.attn_q.weight"
  uint64_t rows = 0;   // 0: a vector
  uint64_t cols = 0;
  RowOrder order = RowOrder::kPlain;
  std::vector<float> values;  // of a vector that no tensor holds: these, [cols]
};

// One .axmodel. The builder completes weights and context of the program.
struct FileDescription {
  spec::Program program;
  std::vector<WeightRule> rules;
};

struct Description {
  std::string model_type;  // of the file names: "llama", "gemma3_text"
  std::vector<FileDescription> layers;
  FileDescription post;
  std::string embedding;  // tensor [vocab, hidden]
  // Multiplied into the embedding's rows, since the layers take rows as they are; the head, where
  // it is the same tensor, is not scaled (Gemma, Granite, MiniCPM).
  float embedding_scale = 1.0f;
  uint32_t vocab = 0;
  uint32_t hidden = 0;
  uint32_t trained_context = 0;  // 0: the file does not say
  uint64_t parameters = 0;       // values of all tensors
};

// Refuses by name: other architectures, experts, capped logits, RoPE scaling other than by factors
// that do not depend on the position, a missing tensor, a tensor of another shape, and a tensor
// that would be left out.
axollama::Result<Description> Describe(const Gguf& gguf);

}  // namespace axsim::build
