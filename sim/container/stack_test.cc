// A file that holds a whole stack: what is written is read, and what does not fit is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "sim/container/axmodel.h"
#include "sim/container/shapes.h"

namespace axsim::container {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

spec::Program StackProgram() {
  spec::Program layer;
  layer.hidden = 8;
  layer.heads = 2;
  layer.kv_heads = 1;
  layer.head_dim = 4;
  layer.ffn = 16;
  layer.context = 32;
  layer.rope_dims = 4;
  layer.attention_scale = 0.5f;
  spec::Program stack;
  stack.kind = spec::Kind::kStack;
  stack.hidden = 8;
  stack.parts = {layer, layer, {}};
  stack.parts[1].kv_heads = 2;
  stack.parts[1].qk_norm = true;
  stack.parts[2].kind = spec::Kind::kPost;
  stack.parts[2].hidden = 8;
  stack.parts[2].vocab = 11;
  return stack;
}

class StackFile : public ::testing::Test {
 protected:
  StackFile() {
    std::string name = (std::filesystem::temp_directory_path() / "stack_test.XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~StackFile() override { std::filesystem::remove_all(folder_); }

  // Writes every weight but `without`; its bytes are its number.
  axollama::Status Write(const std::vector<Group>& groups, const std::string& without = "") {
    const spec::Program program = StackProgram();
    AX_ASSIGN_OR_RETURN(Writer writer, Writer::Create(path(), program, groups));
    int number = 0;
    for (const ExpectedWeight& want : ExpectedWeights(program)) {
      ++number;
      if (want.optional || want.name == without) continue;
      size_t size = ElementBytes(want.type);
      for (const int64_t dim : want.dims) size *= static_cast<size_t>(dim);
      const std::vector<std::byte> data(size, static_cast<std::byte>(number));
      AX_RETURN_IF_ERROR(writer.Add(want.name, want.type, want.dims, data));
    }
    return writer.Finish();
  }
  std::filesystem::path path() const { return folder_ / "model.axmodel"; }

  std::filesystem::path folder_;
};

TEST_F(StackFile, IsReadAsItWasWritten) {
  const auto written = Write(StackGroups(StackProgram(), {{31, 1}, {0, 8}, {8, 8}}));
  ASSERT_TRUE(written) << written.error().message;
  const auto file = axollama::MappedFile::Open(path());
  ASSERT_TRUE(file);
  const auto model = Read(file->bytes());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(spec::WriteProgram(model->program), spec::WriteProgram(StackProgram()));
  ASSERT_EQ(model->groups.size(), 3u);
  std::vector<std::string> names;
  for (const Tensor& tensor : model->groups[1].inputs) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("input_embeds", "indices", "mask", "k_cache_0", "v_cache_0",
                                 "k_cache_1", "v_cache_1"));
  names.clear();
  for (const Tensor& tensor : model->groups[1].outputs) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("logits", "k_cache_out_0", "v_cache_out_0", "k_cache_out_1",
                                 "v_cache_out_1"));
  EXPECT_THAT(model->groups[0].inputs[3].dims, ElementsAre(1, 31, 4));
  EXPECT_THAT(model->groups[0].inputs[5].dims, ElementsAre(1, 31, 8));
  EXPECT_THAT(model->groups[1].inputs[2].dims, ElementsAre(1, 8, 9));
  EXPECT_THAT(model->groups[2].outputs[0].dims, ElementsAre(1, 8, 11));
  const auto numbers = ExpectedWeights(StackProgram());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto found = model->weights.find(numbers[i].name);
    ASSERT_EQ(found == model->weights.end(), numbers[i].optional) << numbers[i].name;
    if (numbers[i].optional) continue;
    EXPECT_EQ(static_cast<size_t>(found->second.data[0]), i + 1) << numbers[i].name;
  }
}

TEST_F(StackFile, OfPrefillGroupsOnlyIsOne) {
  ASSERT_TRUE(Write(StackGroups(StackProgram(), {{0, 8}, {8, 8}})));
  const auto file = axollama::MappedFile::Open(path());
  ASSERT_TRUE(file);
  EXPECT_TRUE(Read(file->bytes()));
}

TEST_F(StackFile, RefusesWhatDoesNotFit) {
  const auto good = StackGroups(StackProgram(), {{31, 1}, {8, 8}});
  const auto refusal = [&](auto change) {
    auto groups = good;
    change(groups);
    const auto status = Write(groups);
    return status ? "accepted" : status.error().message;
  };
  using G = std::vector<Group>;
  EXPECT_THAT(refusal([](G& g) { g[1].inputs[6].dims[1] = 7; }), HasSubstr("shape group 1"));
  EXPECT_THAT(refusal([](G& g) { g[1].inputs.pop_back(); }), HasSubstr("shape group 1"));
  EXPECT_THAT(refusal([](G& g) { g[0].outputs[0].dims[2] = 12; }), HasSubstr("shape group 0"));
  EXPECT_THAT(refusal([](G& g) { g[0].inputs.clear(); }), HasSubstr("shape group 0"));
  EXPECT_THAT(refusal([](G& g) { g.clear(); }), HasSubstr("no shape group"));
  const auto missing = Write(good, "l1.k_norm");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("\"l1.k_norm\""));
}

}  // namespace
}  // namespace axsim::container
