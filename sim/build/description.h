// What a GGUF model computes, in the words of spec::Program: its layers, its post model, and which
// tensor becomes which weight.
//
// One function per architecture fills a Description; everything after it (quantising, writing,
// naming) is the same for all. Layers may differ from each other.
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
};

// One .axmodel. The builder completes weights and context of the program.
struct FileDescription {
  spec::Program program;
  std::vector<WeightRule> rules;
};

struct Description {
  std::string model_type;  // of the file names: "llama"
  std::vector<FileDescription> layers;
  FileDescription post;
  std::string embedding;  // tensor [vocab, hidden]
  uint32_t vocab = 0;
  uint32_t hidden = 0;
  uint32_t trained_context = 0;  // 0: the file does not say
  uint64_t parameters = 0;       // values of all tensors
};

// Refuses by name: other architectures, experts, RoPE scaling, a missing tensor, a tensor of
// another shape, and a tensor that would be left out.
axollama::Result<Description> Describe(const Gguf& gguf);

}  // namespace axsim::build
