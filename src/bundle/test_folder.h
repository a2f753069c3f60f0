// Tests only: a temporary folder with small but real .axmodel files in it.
#pragma once

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <protozero/pbf_builder.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace axollama::bundle {

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "ax-bundle-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void Write(const std::string& name, std::string_view content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
  }

 private:
  std::filesystem::path path_;
};

// An ONNX ModelProto with `[1, 1, hidden]` and mask tensors in its shell, and a weight blob.
inline std::string MakeAxmodel(std::string_view producer, int64_t hidden, int64_t context,
                               std::string_view program = "") {
  using Writer = protozero::pbf_writer;
  const auto tensor = [](Writer& graph, std::string_view name, std::vector<int64_t> dims) {
    Writer info(graph, 11);
    info.add_string(1, name.data(), name.size());
    Writer type(info, 2);
    Writer tensor_type(type, 1);
    tensor_type.add_int32(1, 16);
    Writer shape(tensor_type, 2);
    for (const int64_t dim : dims) {
      Writer one(shape, 1);
      one.add_int64(1, dim);
    }
  };
  std::string bytes;
  Writer model(bytes);
  model.add_int64(1, 7);
  model.add_string(2, producer.data(), producer.size());
  {
    Writer graph(model, 7);
    {
      Writer node(graph, 1);
      node.add_string(4, "neu mode");
      Writer attribute(node, 5);
      attribute.add_string(1, program.empty() ? "neu_name" : "axsim_program");
      attribute.add_bytes(4, program.data(), program.size());
    }
    {
      Writer weight(graph, 5);
      weight.add_bytes(9, std::string(4096, '\x7f'));
    }
    if (hidden > 0) tensor(graph, "input", {1, 1, hidden});
    if (context > 0) tensor(graph, "mask_0", {1, 1, context});
  }
  return bytes;
}

constexpr std::string_view kTokenizerJson =
    R"({"version":"1.0","added_tokens":[{"id":0,"content":"<|endoftext|>","special":true},)"
    R"({"id":1,"content":"<|im_start|>"},{"id":2,"content":"<|im_end|>"},)"
    R"({"id":3,"content":"a\"]}[b"}],"model":{"type":"BPE","vocab":{"\"added_tokens\"":7}}})";

// A complete bundle of three layers, hidden size 8, 5 tokens, for the NPU.
inline void FillBundle(const TestFolder& folder, std::string_view producer = "Pulsar2",
                       std::string_view program = "") {
  for (int i = 0; i < 3; ++i) {
    folder.Write("qwen3_p128_l" + std::to_string(i) + "_together.axmodel",
                 MakeAxmodel(producer, 8, 256, program));
  }
  folder.Write("qwen3_post.axmodel", MakeAxmodel(producer, 8, 0));
  std::string table;
  for (int i = 0; i < 5 * 8; ++i) table += {static_cast<char>(i), '\x3f'};
  folder.Write("model.embed_tokens.weight.bfloat16.bin", table);
  folder.Write("tokenizer.json", kTokenizerJson);
  folder.Write("config.json", "");
}

}  // namespace axollama::bundle
