// Writes the binary seeds of fuzz/seeds, with the writers that the tests use: make_seeds FOLDER.
// To be run again when a format changes; the text seeds are written by hand.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <protozero/pbf_builder.hpp>
#include <string>
#include <vector>

#include "bundle/test_folder.h"
#include "fuzz/input.h"
#include "sim/build/test_hf.h"
#include "sim/container/axmodel.h"
#include "sim/container/shapes.h"

namespace {

namespace container = axsim::container;
namespace fs = std::filesystem;
using axollama::fuzz::Require;

void Write(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  out.close();
  Require(out.good(), path.string() + " is written");
}

// The smallest model that its program allows, with every optional weight.
void WriteAxmodel(const fs::path& path, const axsim::spec::Program& program,
                  const std::vector<container::Group>& groups) {
  fs::create_directories(path.parent_path());
  auto writer = container::Writer::Create(path, program, groups);
  Require(writer.has_value(), "a writer");
  for (const container::ExpectedWeight& weight : container::ExpectedWeights(program)) {
    uint64_t size = container::ElementBytes(weight.type);
    for (const int64_t dim : weight.dims) size *= static_cast<uint64_t>(dim);
    const std::vector<std::byte> data(size, std::byte{0x3f});
    Require(writer->Add(weight.name, weight.type, weight.dims, data).has_value(), "a weight");
  }
  Require(writer->Finish().has_value(), "a model");
}

axsim::spec::Program Layer(axsim::spec::WeightType weights) {
  axsim::spec::Program p;
  p.weights = weights;
  p.hidden = 4;
  p.heads = 2;
  p.kv_heads = 1;
  p.head_dim = 8;
  p.ffn = 4;
  p.context = 8;
  p.rope_dims = 2;
  p.attention_scale = 0.5f;
  return p;
}

void WriteAxmodels(const fs::path& folder) {
  axsim::spec::Program s8 = Layer(axsim::spec::WeightType::kS8);
  WriteAxmodel(folder / "layer_s8", s8, container::LayerGroups(s8, 7, 2, {0, 2}));
  axsim::spec::Program bf16 = Layer(axsim::spec::WeightType::kBf16);
  bf16.qk_norm = bf16.qkv_bias = bf16.post_norms = true;
  bf16.sliding_window = 4;
  WriteAxmodel(folder / "layer_bf16", bf16, container::LayerGroups(bf16, 7, 2, {0}));
  const axsim::spec::Program s4 = Layer(axsim::spec::WeightType::kS4);
  WriteAxmodel(folder / "layer_s4", s4, container::LayerGroups(s4, 7, 2, {0}));
  axsim::spec::Program post;
  post.kind = axsim::spec::Kind::kPost;
  post.hidden = 4;
  post.vocab = 6;
  WriteAxmodel(folder / "post", post, container::PostGroups(post));
  axsim::spec::Program stack;
  stack.kind = axsim::spec::Kind::kStack;
  stack.hidden = 4;
  stack.parts = {s8, s8, post};
  stack.parts[1].sliding_window = 4;
  WriteAxmodel(folder / "stack", stack, container::StackGroups(stack, {{7, 1}, {0, 2}, {2, 2}}));
}

// A model of one layer, whose tensors are as narrow as the program allows.
axsim::build::GgufFile SmallGguf() {
  axsim::build::GgufFile f = axsim::build::TinyLlama();
  f.tensors.clear();
  f.Uint("llama.block_count", 1);
  f.Uint("llama.embedding_length", 4);
  f.Uint("llama.feed_forward_length", 4);
  f.Uint("llama.attention.head_count", 2);
  f.Uint("llama.attention.head_count_kv", 1);
  f.Uint("llama.rope.dimension_count", 2);
  const auto tensor = [&](const std::string& name, const std::vector<uint64_t>& dims) {
    size_t size = 1;
    for (const uint64_t dim : dims) size *= dim;
    f.F32(name, dims, axsim::build::Pattern(size, 1));
  };
  tensor("token_embd.weight", {4, axsim::build::kTinyVocab});
  for (const char* name : {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"}) {
    tensor(std::string(name) + ".weight", {4});
  }
  for (const char* name : {"attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
    tensor("blk.0." + std::string(name) + ".weight", {4, 4});
  }
  for (const char* name : {"attn_k", "attn_v"}) {
    tensor("blk.0." + std::string(name) + ".weight", {4, 2});
  }
  return f;
}

void WriteGgufs(const fs::path& folder) {
  Write(folder / "llama", SmallGguf().Bytes());

  axsim::build::GgufFile pieces = SmallGguf();  // SentencePiece's tokenizer
  pieces.Text("tokenizer.ggml.model", "llama");
  pieces.Texts("tokenizer.ggml.tokens",
               {"<unk>", "<s>", "</s>", "<0x0A>", "\xe2\x96\x81", "a", "b", "ab",
                "\xe2\x96\x81"
                "ab"});
  pieces.Ints("tokenizer.ggml.token_type", {2, 3, 3, 6, 1, 1, 1, 1, 1});
  std::vector<float> scores;
  for (int i = 0; i < 9; ++i) scores.push_back(static_cast<float>(-i));
  pieces.Set("tokenizer.ggml.scores", 9,
             axsim::build::Raw(uint32_t{6}) + axsim::build::Raw(uint64_t{9}) +
                 axsim::build::RawAll(scores));
  Write(folder / "sentencepiece", pieces.Bytes());

  // One row of each block format; too few tensors to be a model.
  const std::map<uint32_t, std::pair<uint64_t, size_t>> kBlocks = {
      {1, {1, 2}},      {2, {32, 18}},   {3, {32, 20}},    {6, {32, 22}},    {7, {32, 24}},
      {8, {32, 34}},    {10, {256, 84}}, {11, {256, 110}}, {12, {256, 144}}, {13, {256, 176}},
      {14, {256, 210}}, {20, {32, 18}},  {30, {1, 2}}};
  axsim::build::GgufFile blocks;
  blocks.Text("general.architecture", "llama");
  for (const auto& [type, block] : kBlocks) {
    blocks.tensors["t" + std::to_string(type)] = {
        {block.first, 1}, type, std::string(block.second, static_cast<char>(0x5a + type))};
  }
  Write(folder / "blocks", blocks.Bytes());
}

void WriteSafetensors(const fs::path& folder) {
  const std::string zeros(16, '\0');
  Write(folder / "types", axsim::build::SafetensorsBytes({{"a.weight", {{2, 2}, "F32", zeros}},
                                                          {"b.weight", {{2, 4}, "BF16", zeros}},
                                                          {"c.bias", {{8}, "F16", zeros}}}));
  Write(folder / "empty", axsim::build::SafetensorsOf("{}", ""));
}

// Pieces of every kind, with both kinds of specification.
void WriteSentencePiece(const fs::path& path) {
  using Writer = protozero::pbf_writer;
  std::string bytes;
  Writer model(bytes);
  const std::pair<const char*, int> kPieces[] = {{"<unk>", 2},        {"<s>", 3},   {"</s>", 3},
                                                 {"<0x0A>", 6},       {"<tag>", 4}, {"a", 1},
                                                 {"\xe2\x96\x81", 1}, {"ab", 1},    {"b", 1}};
  float score = 0;
  for (const auto& [text, kind] : kPieces) {
    Writer piece(model, 1);
    piece.add_string(1, text);
    piece.add_float(2, score--);
    piece.add_enum(3, kind);
  }
  {
    Writer trainer(model, 2);
    trainer.add_enum(3, 2);  // BPE
    trainer.add_int32(41, 1);
    trainer.add_int32(42, 2);
    trainer.add_int32(43, -1);
  }
  {
    Writer normalizer(model, 3);
    normalizer.add_string(1, "identity");
    normalizer.add_bool(3, true);
    normalizer.add_bool(4, false);
  }
  Write(path, bytes);
}

void WriteNpy(const fs::path& path, char version, std::string_view type, size_t data_bytes) {
  std::string header =
      "{'descr': '" + std::string(type) + "', 'fortran_order': False, 'shape': (3, 4), }";
  const size_t prefix = version == 1 ? 10 : 12;
  while ((prefix + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string out = std::string("\x93NUMPY") + version + '\0';
  for (size_t i = 0; i < prefix - 8; ++i) out += static_cast<char>(header.size() >> (8 * i));
  Write(path, out + header + std::string(data_bytes, '\x3f'));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const fs::path folder = argv[1];
  WriteAxmodels(folder / "axmodel");
  WriteGgufs(folder / "gguf");
  WriteSafetensors(folder / "safetensors");
  WriteSentencePiece(folder / "sentencepiece" / "bpe");
  WriteNpy(folder / "npy" / "f4", 1, "<f4", 48);
  WriteNpy(folder / "npy" / "f2", 2, "<f2", 24);
  WriteNpy(folder / "npy" / "u2", 3, "<u2", 24);
  Write(folder / "axmodel_info" / "pulsar2", axollama::bundle::MakeAxmodel("Pulsar2", 8, 256));
  Write(folder / "axmodel_info" / "simulator",
        axollama::bundle::MakeAxmodel("axollama-sim", 8, 256, R"({"weights":"s8","context":256})"));
  return 0;
}
