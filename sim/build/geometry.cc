#include "sim/build/geometry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <vector>

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;

struct Geometry {
  std::string_view name;
  std::string_view model_type;
  uint32_t layers, hidden, heads, kv_heads, head_dim, ffn, vocab, context;
  double rope_theta;
  bool qk_norm, qkv_bias;
};
constexpr Geometry kGeometries[] = {
    {"qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e6, true, false},
    {"qwen3-1.7b", "qwen3", 28, 2048, 16, 8, 128, 6144, 151936, 40960, 1e6, true, false},
    {"qwen3-4b", "qwen3", 36, 2560, 32, 8, 128, 9728, 151936, 40960, 1e6, true, false},
    {"qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1e6, false, true},
    {"qwen2.5-1.5b", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 32768, 1e6, false, true},
    {"qwen2.5-3b", "qwen2", 36, 2048, 16, 2, 128, 11008, 151936, 32768, 1e6, false, true},
    {"qwen2.5-7b", "qwen2", 28, 3584, 28, 4, 128, 18944, 152064, 32768, 1e6, false, true},
    {"llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 5e5, false, false},
    {"llama-3.2-3b", "llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, 5e5, false, false},
    {"llama-3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, 5e5, false, false},
    {"tinyllama-1.1b", "llama", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 1e4, false, false},
    {"smollm2-135m", "llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, 1e5, false, false},
    {"smollm2-360m", "llama", 32, 960, 15, 5, 64, 2560, 49152, 8192, 1e5, false, false},
    {"minicpm4-0.5b", "minicpm", 24, 1024, 16, 2, 64, 4096, 73448, 32768, 1e4, false, false},
};

spec::Program LayerProgram(const Geometry& g) {
  spec::Program p;
  p.geometry = true;
  p.hidden = g.hidden;
  p.heads = g.heads;
  p.kv_heads = g.kv_heads;
  p.head_dim = g.head_dim;
  p.ffn = g.ffn;
  p.rope_dims = g.head_dim;
  p.rope_theta = g.rope_theta;
  p.attention_scale = 1.0f / std::sqrt(static_cast<float>(g.head_dim));
  p.qk_norm = g.qk_norm;
  p.qkv_bias = g.qkv_bias;
  return p;
}

// Of the matrices, the embedding counted once.
uint64_t Parameters(const Geometry& g) {
  const uint64_t q = uint64_t{g.heads} * g.head_dim;
  const uint64_t kv = uint64_t{g.kv_heads} * g.head_dim;
  return g.layers * g.hidden * (2 * q + 2 * kv + 3 * uint64_t{g.ffn}) +
         uint64_t{g.vocab} * g.hidden;
}

// GPT-2's letter for a byte: itself where it can be printed, else one from U+0100 on.
std::string ByteLetter(uint32_t byte) {
  const auto printable = [](uint32_t b) {
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
  };
  uint32_t point = byte;
  if (!printable(byte)) {
    point = 0x100;
    for (uint32_t before = 0; before < byte; ++before) point += printable(before) ? 0 : 1;
  }
  if (point < 0x80) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xc0 | point >> 6), static_cast<char>(0x80 | (point & 0x3f))};
}

constexpr std::string_view kChatTemplate =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

}  // namespace

Result<Description> DescribeGeometry(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Geometry& g : kGeometries) {
    names.push_back(g.name);
    if (g.name != name) continue;
    Description d;
    d.name = g.name;
    d.model_type = g.model_type;
    d.layers.assign(g.layers, FileDescription{LayerProgram(g), {}});
    d.post.program.kind = spec::Kind::kPost;
    d.post.program.geometry = true;
    d.post.program.hidden = g.hidden;
    d.post.program.vocab = g.vocab;
    d.vocab = g.vocab;
    d.hidden = g.hidden;
    d.trained_context = g.context;
    d.parameters = Parameters(g);
    return d;
  }
  return Fail(ErrorKind::kInvalid, fmt::format("the geometry of \"{}\" is not known; known are {}",
                                               name, fmt::join(names, ", ")));
}

Result<TokenizerFiles> GeometryTokenizer() {
  std::array<std::string, 256> letters;
  TokenizerFacts facts;
  facts.splitter = "gpt-2";
  for (uint32_t byte = 0; byte < letters.size(); ++byte) {
    letters[byte] = ByteLetter(byte);
    facts.tokens.push_back(letters[byte]);
    facts.kinds.push_back(kNormal);
  }
  for (const std::string_view token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    facts.tokens.push_back(token);
    facts.kinds.push_back(kControl);
  }
  facts.eos = static_cast<uint32_t>(facts.tokens.size() - 1);
  facts.chat_template = kChatTemplate;
  return MakeTokenizer("the geometry", facts);
}

}  // namespace axsim::build
