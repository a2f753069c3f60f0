// What one simulated .axmodel computes: the contract between the builder and the executor.
//
// The vendor's files carry NPU programs; ours carry this description, as JSON in the node
// attribute `axsim_program`, and the weights as initialisers named below. A file holds one decoder
// layer, the post model (final norm and head), or a stack: all layers, which may differ from each
// other, and the post model after them. Every shape group of a file runs the same program over
// other sizes.
//
// Initialisers of a layer (raw, 64-byte aligned, row-major, [rows, cols]):
//   attn_norm f32 [hidden]      ffn_norm f32 [hidden]
//   q   [heads * head_dim, hidden]     k, v [kv_heads * head_dim, hidden]
//   o   [hidden, heads * head_dim]     gate, up [ffn, hidden]     down [hidden, ffn]
//   optional: q_norm, k_norm f32 [head_dim]; q_bias, k_bias, v_bias f32 [rows];
//             attn_post_norm, ffn_post_norm f32 [hidden]; rope_factors f32 [rope_dims / 2]: the
//             angle of pair i is divided by rope_factors[i]
// and of a post model:  norm f32 [hidden]   head [vocab, hidden], which is absent where the model
// makes embeddings
// In a stack the names of layer i begin with `l{i}.` (PartPrefix).
// A matrix M is one of
//   s8    int8, with `M.scale` f32 [rows]: value = code * scale of its row
//   bf16  bfloat16
//   s4    (layers only) uint8 [rows, 32 * spans]: two signed 4-bit codes a byte, in spans of 64
//         columns: byte j of a span holds column j in its low half and column 32 + j in its high
//         half; codes beyond the last column are 0. `M.factor` uint8 [rows, spans]: the low half is
//         the factor less 1 of the span's first 32 columns, the high half that of the others.
//         `M.scale` f32 [rows]: value = code * factor * scale of its row. code * factor is an int8,
//         so that the arithmetic is that of s8 (docs/decisions/s4-weights.md).
// RoPE pairs are (i, i + rope_dims / 2) ("neox" order): the builder reorders the rows of q and k
// where the source interleaves them.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axsim::spec {

// Of s4 rows.
inline constexpr uint32_t kS4SpanCols = 64;
inline constexpr uint32_t kS4SpanBytes = kS4SpanCols / 2;
constexpr uint64_t S4Spans(uint64_t cols) { return (cols + kS4SpanCols - 1) / kS4SpanCols; }

inline constexpr std::string_view kProducerName = "axollama-sim";
inline constexpr std::string_view kOpDomain = "axollama.sim";
inline constexpr std::string_view kOpType = "decoder";  // op_type of every node
inline constexpr std::string_view kProgramAttribute = "axsim_program";
inline constexpr std::string_view kOutputsAttribute = "axsim_io";  // see Io in container/axmodel.h
inline constexpr size_t kMaxStackLayers = 126;  // as the deepest published model has

enum class Kind { kLayer, kPost, kStack };
enum class WeightType { kS8, kBf16, kS4 };
enum class Activation { kSilu, kGeluTanh };

struct Program {
  Kind kind = Kind::kLayer;
  WeightType weights = WeightType::kS8;
  uint32_t hidden = 0;
  // The weights are holes in the file, and not computed with: only what an execute takes and where
  // its tensors lie is real. Written only where it is so.
  bool geometry = false;
  float norm_eps = 1e-5f;  // RMS norm: x / sqrt(mean(x^2) + eps) * weight
  // kPost only:
  // Ends after the norm: its output is the hidden state of a model that makes embeddings, and it
  // has no head, vocab and logit_scale. Written only where it is so.
  bool embedding = false;
  uint32_t vocab = 0;
  float logit_scale = 1.0f;
  // kLayer only:
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t ffn = 0;
  uint32_t context = 0;  // positions that RoPE must reach: KV rows S + 1
  uint32_t rope_dims = 0;
  double rope_theta = 10000.0;
  float attention_scale = 0.0f;  // factor of q.k; the builder always states it
  float residual_scale = 1.0f;   // factor of each branch before it is added (Granite, MiniCPM)
  uint32_t sliding_window = 0;   // positions a row may look back, itself included; 0: all
  Activation activation = Activation::kSilu;
  bool qk_norm = false;
  bool qkv_bias = false;
  bool post_norms = false;  // attn_post_norm, ffn_post_norm (Gemma)
  // kStack only, whose `weights` are those of its layers: the layers, then the post model. Between
  // two parts the hidden state is bf16, as at the borders of files.
  std::vector<Program> parts;

  // Of a row of a post model's output.
  uint32_t output_width() const { return embedding ? hidden : vocab; }
};

// What the names of part `part` of a stack begin with: "l7." of layer 7, nothing of the post model.
std::string PartPrefix(const Program& stack, size_t part);
// The tensor that a stack's post model writes: "logits", or "output" of one that ends after the
// norm.
std::string_view OutputName(const Program& stack);

// Strict: unknown keys, missing keys, wrong types and sizes out of range are errors.
axollama::Result<Program> ParseProgram(std::string_view json);
std::string WriteProgram(const Program& program);

// "s8", "bf16", "s4".
std::string_view WeightsName(WeightType weights);

}  // namespace axsim::spec
