// For tests: a writer of Hugging Face folders, and the tiny llama model of test_gguf.h as one.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "sim/build/test_gguf.h"

namespace axsim::build {

struct HfTensor {
  std::vector<uint64_t> shape;  // [rows, cols], safetensors' order
  std::string dtype = "F32";
  std::string data;
};
using HfTensors = std::map<std::string, HfTensor>;

inline std::string SafetensorsOf(const std::string& header, const std::string& data) {
  return Raw(uint64_t{header.size()}) + header + data;
}

inline std::string SafetensorsBytes(const HfTensors& tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})", data;
  for (const auto& [name, tensor] : tensors) {
    header += fmt::format(R"(,"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", name,
                          tensor.dtype, fmt::join(tensor.shape, ","), data.size(),
                          data.size() + tensor.data.size());
    data += tensor.data;
  }
  return SafetensorsOf(header + "}", data);
}

// The rows of interleaved pairs (2i, 2i + 1) in heads of `head_dim`, as halves.
inline std::string Halves(const std::string& rows, size_t row_bytes, size_t head_dim) {
  std::string out;
  for (size_t head = 0; head < rows.size() / row_bytes; head += head_dim) {
    for (size_t odd = 0; odd < 2; ++odd) {
      for (size_t i = 0; i < head_dim / 2; ++i) {
        out += rows.substr((head + 2 * i + odd) * row_bytes, row_bytes);
      }
    }
  }
  return out;
}

inline constexpr std::string_view kTinyConfig = R"({"architectures":["LlamaForCausalLM"],
 "num_hidden_layers":2,"hidden_size":32,"intermediate_size":64,"num_attention_heads":4,
 "num_key_value_heads":2,"max_position_embeddings":256,"rms_norm_eps":1e-05,"hidden_act":"silu",
 "rope_theta":100000.0,"rope_scaling":null,"tie_word_embeddings":true,"bos_token_id":1,
 "eos_token_id":2,"vocab_size":9})";

struct HfFolder {
  axollama::json::Object config;
  HfTensors tensors;
  std::map<std::string, std::string> files;  // the others

  // Sets a key of config.json from JSON text.
  void Set(std::string_view key, std::string_view json) {
    config[key] = axollama::json::Parse(json).value();
  }
  void F32(const std::string& name, const std::vector<uint64_t>& shape,
           const std::vector<float>& values) {
    tensors[name] = {shape, "F32", RawAll(values)};
  }

  void WriteWithoutWeights(const TestFolder& folder) const {
    folder.Write("config.json", axollama::json::Write(config));
    for (const auto& [name, content] : files) folder.Write(name, content);
  }
  void Write(const TestFolder& folder) const {
    WriteWithoutWeights(folder);
    folder.Write("model.safetensors", SafetensorsBytes(tensors));
  }
  // A shard for each tensor.
  void WriteShards(const TestFolder& folder) const {
    WriteWithoutWeights(folder);
    std::string index;
    size_t number = 0;
    for (const auto& [name, tensor] : tensors) {
      const std::string shard =
          fmt::format("model-{:05}-of-{:05}.safetensors", ++number, tensors.size());
      folder.Write(shard, SafetensorsBytes({{name, tensor}}));
      index += fmt::format(R"({}"{}":"{}")", index.empty() ? "" : ",", name, shard);
    }
    folder.Write("model.safetensors.index.json", R"({"metadata":{},"weight_map":{)" + index + "}}");
  }
};

// TinyLlama() as transformers would save it, without a tokenizer.
inline HfFolder TinyHf() {
  HfFolder hf;
  hf.config = axollama::json::ParseObject(kTinyConfig, "config.json").value();
  const std::map<std::string, std::string> parts = {
      {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"},
      {"attn_q", "self_attn.q_proj"},   {"attn_k", "self_attn.k_proj"},
      {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"},
      {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},
      {"ffn_down", "mlp.down_proj"}};
  for (const auto& [name, tensor] : TinyLlama().tensors) {
    std::string to =
        name == "token_embd.weight" ? "model.embed_tokens.weight" : "model.norm.weight";
    std::string data = tensor.data;
    if (name.starts_with("blk.")) {
      const std::string part = name.substr(6, name.size() - 6 - 7);
      to = fmt::format("model.layers.{}.{}.weight", name[4], parts.at(part));
      if (part == "attn_q" || part == "attn_k") data = Halves(data, kTinyHidden * 4, 8);
    }
    hf.tensors[to] = {{tensor.dims.rbegin(), tensor.dims.rend()}, "F32", data};
  }
  return hf;
}

}  // namespace axsim::build
