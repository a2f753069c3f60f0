#include "sim/container/axmodel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <random>
#include <set>

namespace axsim::container {
namespace {

using axollama::ErrorKind;
using ::testing::HasSubstr;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "axmodel_test.XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

spec::Program LayerProgram(spec::WeightType weights = spec::WeightType::kS8) {
  spec::Program p;
  p.weights = weights;
  p.hidden = 8;
  p.heads = 2;
  p.kv_heads = 1;
  p.head_dim = 4;
  p.ffn = 16;
  p.context = 32;
  p.rope_dims = 4;
  p.attention_scale = 0.5f;
  return p;
}

struct Item {
  std::string name;
  DataType type;
  std::vector<int64_t> dims;
};

std::vector<Item> LayerItems() {
  std::vector<Item> items = {{"attn_norm", DataType::kFp32, {8}},
                             {"ffn_norm", DataType::kFp32, {8}}};
  const std::pair<const char*, std::pair<int64_t, int64_t>> matrices[] = {
      {"q", {8, 8}},     {"k", {4, 8}},   {"v", {4, 8}},    {"o", {8, 8}},
      {"gate", {16, 8}}, {"up", {16, 8}}, {"down", {8, 16}}};
  for (const auto& [name, size] : matrices) {
    items.push_back({name, DataType::kInt8, {size.first, size.second}});
    items.push_back({std::string(name) + ".scale", DataType::kFp32, {size.first}});
  }
  return items;
}

std::vector<std::byte> Data(const Item& item) {
  uint64_t size = ElementBytes(item.type);
  for (const int64_t dim : item.dims) size *= static_cast<uint64_t>(dim);
  std::vector<std::byte> data(size);
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * 7 + item.name.size());
  return data;
}

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The bytes of a file at a 64-byte aligned address, as a mapping has them.
class Aligned {
 public:
  explicit Aligned(std::string_view text) : size_(text.size()) {
    data_ = static_cast<std::byte*>(aligned_alloc(64, (size_ + 64) / 64 * 64));
    memcpy(data_, text.data(), size_);
  }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  ~Aligned() { free(data_); }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* data_;
  size_t size_;
};

std::string LayerFile(const std::function<bool(const Item&)>& keep = nullptr) {
  Folder folder;
  const auto path = folder.path / "layer.axmodel";
  const spec::Program program = LayerProgram();
  auto writer = Writer::Create(path, program, LayerGroups(program, 31, 8, {0, 8, 16, 24}));
  EXPECT_TRUE(writer) << writer.error().message;
  for (const Item& item : LayerItems()) {
    if (keep && !keep(item)) continue;
    const auto added = writer->Add(item.name, item.type, item.dims, Data(item));
    EXPECT_TRUE(added) << added.error().message;
  }
  const auto finished = writer->Finish();
  if (!keep) {
    EXPECT_TRUE(finished) << finished.error().message;
  }
  return ReadAll(path);
}

std::string ErrorOf(std::string_view text) {
  const Aligned file(text);
  const auto model = Read(file.bytes());
  return model ? "accepted" : model.error().message;
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  EXPECT_EQ(from.size(), to.size());
  bool found = false;
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
    found = true;
  }
  EXPECT_TRUE(found) << from;
  return text;
}

TEST(Axmodel, ReadsWhatItWrote) {
  const Aligned file(LayerFile());
  const auto model = Read(file.bytes());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->producer_name, "axollama-sim");
  EXPECT_EQ(model->compiler_version, AXOLLAMA_VERSION);
  EXPECT_EQ(model->program.hidden, 8u);
  EXPECT_EQ(model->program.context, 32u);
  ASSERT_EQ(model->groups.size(), 5u);
  EXPECT_EQ(model->weights.size(), LayerItems().size());
  for (const Item& item : LayerItems()) {
    const auto found = model->weights.find(item.name);
    ASSERT_NE(found, model->weights.end()) << item.name;
    EXPECT_EQ(found->second.type, item.type);
    EXPECT_EQ(found->second.dims, item.dims);
    const std::vector<std::byte> want = Data(item);
    ASSERT_EQ(found->second.data.size(), want.size());
    EXPECT_EQ(memcmp(found->second.data.data(), want.data(), want.size()), 0) << item.name;
    EXPECT_EQ((found->second.data.data() - file.bytes().data()) % 64, 0) << item.name;
  }
}

TEST(Axmodel, GroupsHaveTheVendorsTensors) {
  spec::Program p = LayerProgram();
  const auto groups = LayerGroups(p, 2047, 128, {0, 128});
  ASSERT_EQ(groups.size(), 3u);
  const auto dims = [&](size_t g, size_t i) { return groups[g].inputs[i].dims; };
  const char* names[] = {"K_cache", "V_cache", "indices", "input", "mask"};
  for (const Group& group : groups) {
    ASSERT_EQ(group.inputs.size(), 5u);
    for (size_t i = 0; i < 5; ++i) EXPECT_EQ(group.inputs[i].name, names[i]);
    ASSERT_EQ(group.outputs.size(), 3u);
    EXPECT_EQ(group.outputs[0].name, "K_cache_out");
    EXPECT_EQ(group.outputs[1].name, "V_cache_out");
    EXPECT_EQ(group.outputs[2].name, "output");
  }
  EXPECT_EQ(dims(0, 0), (std::vector<int32_t>{1, 2047, 4}));
  EXPECT_EQ(dims(0, 2), (std::vector<int32_t>{1, 1}));
  EXPECT_EQ(dims(0, 3), (std::vector<int32_t>{1, 1, 8}));
  EXPECT_EQ(dims(0, 4), (std::vector<int32_t>{1, 1, 2048}));
  EXPECT_EQ(dims(1, 0), (std::vector<int32_t>{1, 1, 4}));
  EXPECT_EQ(dims(1, 4), (std::vector<int32_t>{1, 128, 129}));
  EXPECT_EQ(dims(2, 0), (std::vector<int32_t>{1, 128, 4}));
  EXPECT_EQ(dims(2, 4), (std::vector<int32_t>{1, 128, 256}));
  EXPECT_EQ(groups[2].outputs[0].dims, (std::vector<int32_t>{1, 128, 4}));
  EXPECT_EQ(groups[0].inputs[0].size_bytes(), 2047u * 4 * 2);
  EXPECT_EQ(groups[0].inputs[2].type, DataType::kUint32);
  EXPECT_EQ(groups[0].inputs[2].size_bytes(), 4u);
  p.kind = spec::Kind::kPost;
  p.vocab = 100;
  const auto post = PostGroups(p);
  ASSERT_EQ(post.size(), 1u);
  EXPECT_EQ(post[0].inputs[0].dims, (std::vector<int32_t>{1, 1, 8}));
  EXPECT_EQ(post[0].outputs[0].dims, (std::vector<int32_t>{1, 1, 100}));
}

// Another parser of the format finds a well-formed ONNX model: every required field, unique tensor
// names, every node's tensors declared.
TEST(Axmodel, IsAnOnnxModel) {
  const std::string file = LayerFile();
  protozero::pbf_reader model(file);
  int64_t ir_version = 0;
  int opsets = 0;
  std::string graph_bytes;
  while (model.next()) {
    switch (model.tag()) {
      case 1:
        ir_version = model.get_int64();
        break;
      case 7:
        graph_bytes = model.get_string();
        break;
      case 8:
        ++opsets;
        model.skip();
        break;
      default:
        model.skip();
    }
  }
  EXPECT_EQ(ir_version, 7);
  EXPECT_EQ(opsets, 2);
  std::set<std::string> declared, used;
  int nodes = 0, weights = 0;
  protozero::pbf_reader graph(graph_bytes);
  while (graph.next()) {
    if (graph.tag() == 1) {
      ++nodes;
      protozero::pbf_reader node = graph.get_message();
      while (node.next()) {
        if (node.tag() == 1 || node.tag() == 2) {
          EXPECT_TRUE(used.insert(node.get_string()).second);
        } else {
          node.skip();
        }
      }
    } else if (graph.tag() == 11 || graph.tag() == 12) {
      protozero::pbf_reader info = graph.get_message();
      while (info.next()) {
        if (info.tag() == 1) {
          EXPECT_TRUE(declared.insert(info.get_string()).second);
        } else {
          info.skip();
        }
      }
    } else {
      weights += graph.tag() == 5 ? 1 : 0;
      graph.skip();
    }
  }
  EXPECT_EQ(nodes, 5);
  EXPECT_EQ(weights, static_cast<int>(LayerItems().size()));
  EXPECT_EQ(declared, used);
  EXPECT_EQ(declared.count("K_cache"), 1u);
  EXPECT_EQ(declared.count("K_cache_4"), 1u);
}

TEST(Axmodel, RefusesWhatIsNoModel) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("0 bytes"));
  EXPECT_THAT(ErrorOf("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"),
              HasSubstr("git lfs pull"));
  EXPECT_THAT(ErrorOf("GGUF\3\0\0\0"), HasSubstr("not an ONNX container"));
  EXPECT_THAT(ErrorOf("{\"a\":1}"), HasSubstr("not an ONNX container"));
  EXPECT_THAT(ErrorOf(std::string(4096, '\0')), HasSubstr("not an ONNX container"));
  const std::string good = LayerFile();
  EXPECT_THAT(ErrorOf(good.substr(0, good.size() - 1)), HasSubstr("cut short"));
  EXPECT_THAT(ErrorOf(good.substr(0, good.size() / 2)), HasSubstr("cut short"));
}

TEST(Axmodel, RefusesAnotherProducerByName) {
  for (const char* producer : {"Pulsar2", "pytorch\n\x1b[31m"}) {
    std::string file;
    protozero::pbf_writer model(file);
    model.add_int64(1, 7);
    model.add_string(2, producer);
    model.add_message(7, std::string("\x12\x01g", 3));
    EXPECT_THAT(ErrorOf(file),
                std::string(producer) == "Pulsar2"
                    ? HasSubstr("made by Pulsar2 for the NPU: it needs an AXERA card")
                    : HasSubstr("made by \"pytorch??[31m\""));
  }
}

TEST(Axmodel, RefusesWeightsThatDoNotFitTheProgram) {
  const std::string good = LayerFile();
  EXPECT_THAT(ErrorOf(Replaced(good, "\"ffn\":16", "\"ffn\":17")),
              HasSubstr("weight \"gate\" is int8 [16, 8], its program needs int8 [17, 8]"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"qk_norm\":false", "\"qk_norm\":true ")),
              HasSubstr("weight \"q_norm\" is missing"));
  EXPECT_THAT(ErrorOf(Replaced(good, "gate.scale", "gate.scald")),
              HasSubstr("no weight \"gate.scald\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"kv_heads\":1", "\"kv_heads\":2")),
              HasSubstr("the tensors of shape group 0 do not fit"));
  EXPECT_THAT(ErrorOf(Replaced(good, "[1,8,8]", "[1,8,9]")),
              HasSubstr("the tensors of shape group 1 do not fit"));
}

TEST(Axmodel, AFileThatWasNotFinishedIsNoModel) {
  EXPECT_THAT(ErrorOf(LayerFile([](const Item& item) { return item.name != "down"; })),
              HasSubstr("is empty"));
  Folder folder;
  const auto path = folder.path / "large.axmodel";
  spec::Program program = LayerProgram();
  program.ffn = 1 << 19;
  {
    auto writer = Writer::Create(path, program, LayerGroups(program, 31, 8, {0}));
    ASSERT_TRUE(writer) << writer.error().message;
    const std::vector<std::byte> data(size_t{program.ffn} * 8);
    ASSERT_TRUE(writer->Add("gate", DataType::kInt8, {program.ffn, 8}, data));
  }
  EXPECT_THAT(ErrorOf(ReadAll(path)), HasSubstr("cut short"));
}

TEST(Axmodel, TheWriterRefusesWhatTheProgramDoesNotKnow) {
  Folder folder;
  const spec::Program program = LayerProgram();
  auto writer = Writer::Create(folder.path / "x", program, LayerGroups(program, 31, 8, {0}));
  ASSERT_TRUE(writer);
  const std::vector<std::byte> data(32);
  EXPECT_THAT(writer->Add("z", DataType::kFp32, {8}, data).error().message, HasSubstr("\"z\""));
  EXPECT_THAT(writer->Add("ffn_norm", DataType::kFp32, {4, 2}, data).error().message,
              HasSubstr("float32 [4, 2]"));
  EXPECT_THAT(
      writer->Add("ffn_norm", DataType::kFp32, {8}, std::span(data).first(31)).error().message,
      HasSubstr("31 bytes"));
  EXPECT_TRUE(writer->Add("ffn_norm", DataType::kFp32, {8}, data));
  EXPECT_THAT(writer->Add("ffn_norm", DataType::kFp32, {8}, data).error().message,
              HasSubstr("twice"));
  EXPECT_THAT(writer->Finish().error().message, HasSubstr("was not added"));
}

TEST(Axmodel, AFullDiskIsAnError) {
  const spec::Program program = LayerProgram();
  auto writer = Writer::Create("/dev/full", program, LayerGroups(program, 31, 8, {0}));
  ASSERT_TRUE(writer) << writer.error().message;
  for (const Item& item : LayerItems()) {
    ASSERT_TRUE(writer->Add(item.name, item.type, item.dims, Data(item)));
  }
  const auto finished = writer->Finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().kind, ErrorKind::kIo);
  EXPECT_THAT(finished.error().message, HasSubstr("/dev/full: No space left on device"));
}

// Whatever the bytes: no crash, a one-line error, or a model all of whose views lie in the file.
void CheckAnything(std::string_view text, uint64_t* accepted, uint64_t* refused) {
  const Aligned file(text);
  const auto model = Read(file.bytes());
  if (!model) {
    ++*refused;
    ASSERT_FALSE(model.error().message.empty());
    ASSERT_EQ(model.error().message.find('\n'), std::string::npos) << model.error().message;
    return;
  }
  ++*accepted;
  for (const auto& [name, weight] : model->weights) {
    ASSERT_GE(weight.data.data(), file.bytes().data());
    ASSERT_LE(weight.data.data() + weight.data.size(), file.bytes().data() + text.size());
  }
}

TEST(Axmodel, MutatedFilesNeverCrash) {
  const std::string good = LayerFile();
  uint64_t accepted = 0, refused = 0;
  std::mt19937 random(20261127);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string text = good;
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      text[at] = static_cast<char>(good[at] ^ flip);
      CheckAnything(text, &accepted, &refused);
    }
    CheckAnything(good.substr(0, at), &accepted, &refused);
  }
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (int i = 0; i < 8; ++i) text[random() % text.size()] = static_cast<char>(random());
    if (round % 2) text.erase(random() % text.size(), 1 + random() % 9);
    CheckAnything(text, &accepted, &refused);
  }
  for (int round = 0; round < 5000; ++round) {
    std::string text(random() % 300, '\0');
    for (char& c : text) c = static_cast<char>(random());
    CheckAnything(text, &accepted, &refused);
  }
  EXPECT_GT(accepted, 100u);  // flips within the weights leave a model
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace axsim::container
