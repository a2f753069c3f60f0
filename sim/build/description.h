// What a model computes, in the words of spec::Program: its layers, its post model, and which
// tensor becomes which weight.
//
// The source's facts say how architectures differ; everything after them (quantising, writing,
// naming) is the same for all. Layers may differ from each other.
// Owner: plain values. Threads: plain functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/build/facts.h"
#include "sim/build/source.h"
#include "sim/spec/program.h"

namespace axsim::build {

struct WeightRule {
  std::string weight;  // in the program: "q"
  std::string tensor;  // in the source: "blk.0.attn_q.weight"
  uint64_t rows = 0;   // 0: a vector
  uint64_t cols = 0;
  RowOrder order = RowOrder::kPlain;
  std::vector<float> values;  // of a vector that no tensor holds: these, [cols]
  float offset = 0.0f;        // added to the values of a vector
};

// One .axmodel. The builder completes weights and context of the program.
struct FileDescription {
  spec::Program program;
  std::vector<WeightRule> rules;
};

struct Description {
  std::string name;        // of the model, for people
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

// Refuses what Source::Facts refuses, a missing tensor, a tensor of another shape, and a tensor
// that would be left out.
axollama::Result<Description> Describe(const Source& source);

// Has the post model end after the norm: of a bundle that makes embeddings.
void LeaveOutHead(Description* description);

}  // namespace axsim::build
