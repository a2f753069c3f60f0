// For tests: a writer of GGUF files, and a tiny llama model to change and break.
#pragma once

#include <stdlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace axsim::build {

// A folder of the test's own, removed with it.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sim_build_test.XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  std::filesystem::path Write(std::string_view name, std::string_view content) const {
    const std::filesystem::path path = path_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

 private:
  std::filesystem::path path_;
};

inline std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <typename T>
std::string Raw(T value) {
  std::string out(sizeof value, '\0');
  memcpy(out.data(), &value, sizeof value);
  return out;
}
inline std::string RawText(std::string_view text) {
  return Raw(uint64_t{text.size()}) + std::string(text);
}
template <typename T>
std::string RawAll(const std::vector<T>& values) {
  std::string out;
  for (const T& value : values) out += Raw(value);
  return out;
}

// Keys and tensors by name; setting one again replaces it.
struct GgufFile {
  struct Tensor {
    std::vector<uint64_t> dims;
    uint32_t type = 0;
    std::string data;
  };
  uint32_t version = 3;
  uint64_t alignment = 32;
  std::map<std::string, std::string> values;  // type and content, as in the file
  std::map<std::string, Tensor> tensors;

  void Set(const std::string& key, uint32_t type, const std::string& raw) {
    values[key] = Raw(type) + raw;
  }
  void Uint(const std::string& key, uint32_t value) { Set(key, 4, Raw(value)); }
  void Float(const std::string& key, float value) { Set(key, 6, Raw(value)); }
  void Bool(const std::string& key, bool value) { Set(key, 7, Raw(uint8_t{value})); }
  void Text(const std::string& key, std::string_view value) { Set(key, 8, RawText(value)); }
  void Texts(const std::string& key, const std::vector<std::string>& list) {
    std::string raw = Raw(uint32_t{8}) + Raw(uint64_t{list.size()});
    for (const std::string& text : list) raw += RawText(text);
    Set(key, 9, raw);
  }
  void Ints(const std::string& key, const std::vector<int32_t>& list) {
    Set(key, 9, Raw(uint32_t{5}) + Raw(uint64_t{list.size()}) + RawAll(list));
  }
  void F32(const std::string& name, const std::vector<uint64_t>& dims,
           const std::vector<float>& data) {
    tensors[name] = {dims, 0, RawAll(data)};
  }

  // The same model as another architecture: the keys that begin with the old one are renamed.
  void Rename(const std::string& from, const std::string& to) {
    std::map<std::string, std::string> renamed;
    for (const auto& [key, raw] : values) {
      const bool ours = key.starts_with(from + ".");
      renamed[ours ? to + key.substr(from.size()) : key] = raw;
    }
    values = std::move(renamed);
    Text("general.architecture", to);
  }

  std::string Bytes() const {
    std::string out =
        "GGUF" + Raw(version) + Raw(uint64_t{tensors.size()}) + Raw(uint64_t{values.size()});
    for (const auto& [key, raw] : values) out += RawText(key) + raw;
    std::string data;
    for (const auto& [name, tensor] : tensors) {
      data.resize((data.size() + alignment - 1) / alignment * alignment);
      out += RawText(name) + Raw(static_cast<uint32_t>(tensor.dims.size())) + RawAll(tensor.dims) +
             Raw(tensor.type) + Raw(uint64_t{data.size()});
      data += tensor.data;
    }
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

// A pattern of distinct values, exact in bf16: k / 64 for k in [-100, 100].
inline std::vector<float> Pattern(size_t size, uint32_t seed) {
  std::vector<float> values(size);
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = static_cast<float>(static_cast<int>((seed >> 16) % 201) - 100) / 64.0f;
  }
  return values;
}

inline constexpr uint64_t kTinyHidden = 32, kTinyFfn = 64, kTinyVocab = 9;

// 2 layers, 4 heads and 2 KV heads of 8, a head tied to the embedding, the smollm tokenizer.
inline GgufFile TinyLlama() {
  GgufFile f;
  f.Text("general.architecture", "llama");
  f.Text("general.name", "Tiny");
  f.Uint("llama.block_count", 2);
  f.Uint("llama.context_length", 256);
  f.Uint("llama.embedding_length", kTinyHidden);
  f.Uint("llama.feed_forward_length", kTinyFfn);
  f.Uint("llama.attention.head_count", 4);
  f.Uint("llama.attention.head_count_kv", 2);
  f.Float("llama.rope.freq_base", 100000.0f);
  f.Float("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  f.Uint("llama.rope.dimension_count", 8);
  f.Text("tokenizer.ggml.model", "gpt2");
  f.Text("tokenizer.ggml.pre", "smollm");
  f.Texts("tokenizer.ggml.tokens", {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "a", "b", "ab",
                                    "\xc4\xa0", "\"", "<tool>"});
  f.Ints("tokenizer.ggml.token_type", {3, 3, 3, 1, 1, 1, 1, 1, 4});
  f.Texts("tokenizer.ggml.merges", {"a b"});
  f.Uint("tokenizer.ggml.bos_token_id", 1);
  f.Uint("tokenizer.ggml.eos_token_id", 2);
  f.Uint("tokenizer.ggml.unknown_token_id", 0);
  f.Bool("tokenizer.ggml.add_bos_token", false);
  f.Text("tokenizer.chat_template", "{% for m in messages %}{{ m['content'] }}{% endfor %}");
  uint32_t seed = 1;
  const auto tensor = [&](const std::string& name, const std::vector<uint64_t>& dims) {
    size_t size = 1;
    for (const uint64_t dim : dims) size *= dim;
    f.F32(name, dims, Pattern(size, seed++));
  };
  tensor("token_embd.weight", {kTinyHidden, kTinyVocab});
  tensor("output_norm.weight", {kTinyHidden});
  for (int i = 0; i < 2; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    tensor(block + "attn_norm.weight", {kTinyHidden});
    tensor(block + "ffn_norm.weight", {kTinyHidden});
    tensor(block + "attn_q.weight", {kTinyHidden, 32});
    tensor(block + "attn_k.weight", {kTinyHidden, 16});
    tensor(block + "attn_v.weight", {kTinyHidden, 16});
    tensor(block + "attn_output.weight", {32, kTinyHidden});
    tensor(block + "ffn_gate.weight", {kTinyHidden, kTinyFfn});
    tensor(block + "ffn_up.weight", {kTinyHidden, kTinyFfn});
    tensor(block + "ffn_down.weight", {kTinyFfn, kTinyHidden});
  }
  return f;
}

}  // namespace axsim::build
