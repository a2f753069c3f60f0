// Tests only: a temporary folder with small but real .axmodel files in it.
#pragma once

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <protozero/pbf_builder.hpp>
#include <string>
#include <string_view>
#include <utility>
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

using TestTensor = std::pair<std::string, std::vector<int64_t>>;

// An ONNX ModelProto with these inputs in its shell, and a weight blob.
inline std::string MakeShell(std::string_view producer, const std::vector<TestTensor>& inputs,
                             std::string_view program = "") {
  using Writer = protozero::pbf_writer;
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
    for (const auto& [name, dims] : inputs) {
      Writer info(graph, 11);
      info.add_string(1, name);
      Writer type(info, 2);
      Writer tensor_type(type, 1);
      tensor_type.add_int32(1, 16);
      Writer shape(tensor_type, 2);
      for (const int64_t dim : dims) {
        Writer one(shape, 1);
        one.add_int64(1, dim);
      }
    }
  }
  return bytes;
}

// A layer or a post model; 0: without that tensor.
inline std::string MakeAxmodel(std::string_view producer, int64_t hidden, int64_t context,
                               std::string_view program = "") {
  std::vector<TestTensor> inputs;
  if (hidden > 0) inputs.push_back({"input", {1, 1, hidden}});
  if (context > 0) inputs.push_back({"mask_0", {1, 1, context}});
  return MakeShell(producer, inputs, program);
}

// A stack of `layers` layers of hidden size 8, with groups of these rows, each after 7 rows.
inline std::string MakeStack(std::string_view producer, int layers,
                             const std::vector<int64_t>& group_rows,
                             std::string_view program = "") {
  std::vector<TestTensor> inputs;
  for (size_t g = 0; g < group_rows.size(); ++g) {
    const std::string end = g == 0 ? "" : "_" + std::to_string(g);
    const int64_t rows = group_rows[g];
    inputs.push_back({"input_embeds" + end, {1, rows, 8}});
    inputs.push_back({"indices" + end, {1, rows}});
    inputs.push_back({"mask" + end, {1, rows, 7 + rows}});
    for (int i = 0; i < layers; ++i) {
      inputs.push_back({"k_cache_" + std::to_string(i) + end, {1, 7, 4}});
      inputs.push_back({"v_cache_" + std::to_string(i) + end, {1, 7, 4}});
    }
  }
  return MakeShell(producer, inputs, program);
}

constexpr std::string_view kTokenizerJson =
    R"({"version":"1.0","added_tokens":[{"id":0,"content":"<|endoftext|>","special":true},)"
    R"({"id":1,"content":"<|im_start|>"},{"id":2,"content":"<|im_end|>"},)"
    R"({"id":3,"content":"a\"]}[b"}],"model":{"type":"BPE","vocab":{"\"added_tokens\"":7}}})";

// What a bundle has beside its model files: a table of 5 tokens, 8 wide, a tokenizer, a
// config.json.
inline void FillRest(const TestFolder& folder) {
  std::string table;
  for (int i = 0; i < 5 * 8; ++i) table += {static_cast<char>(i), '\x3f'};
  folder.Write("model.embed_tokens.weight.bfloat16.bin", table);
  folder.Write("tokenizer.json", kTokenizerJson);
  folder.Write("config.json", "");
}

// A complete bundle of three layers, hidden size 8, 5 tokens, for the NPU.
inline void FillBundle(const TestFolder& folder, std::string_view producer = "Pulsar2",
                       std::string_view program = "") {
  for (int i = 0; i < 3; ++i) {
    folder.Write("qwen3_p128_l" + std::to_string(i) + "_together.axmodel",
                 MakeAxmodel(producer, 8, 256, program));
  }
  folder.Write("qwen3_post.axmodel", MakeAxmodel(producer, 8, 0));
  FillRest(folder);
}

}  // namespace axollama::bundle
