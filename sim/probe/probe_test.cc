#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sim/container/axmodel.h"
#include "sim/container/shapes.h"
#include "sim/probe/machine.h"
#include "sim/probe/model_speed.h"

namespace axsim::probe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Probe : public testing::Test {
 protected:
  Probe() {
    std::string name = (std::filesystem::temp_directory_path() / "probe_test.XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~Probe() override { std::filesystem::remove_all(folder_); }

  // Weights of zeros.
  void Write(const std::string& name, const spec::Program& program,
             const std::vector<container::Group>& groups) {
    auto writer = container::Writer::Create(folder_ / name, program, groups);
    ASSERT_TRUE(writer) << writer.error().message;
    for (const auto& weight : container::ExpectedWeights(program)) {
      if (weight.optional) continue;
      uint64_t size = container::ElementBytes(weight.type);
      for (const int64_t dim : weight.dims) size *= static_cast<uint64_t>(dim);
      const std::vector<std::byte> zeros(size);
      ASSERT_TRUE(writer->Add(weight.name, weight.type, weight.dims, zeros));
      bytes_ += size;
    }
    ASSERT_TRUE(writer->Finish());
  }

  void WriteModel(spec::WeightType weights) {
    spec::Program layer;
    layer.weights = weights;
    layer.hidden = 64;
    layer.heads = layer.kv_heads = 2;
    layer.head_dim = 32;
    layer.ffn = 128;
    layer.context = 32;
    layer.rope_dims = 32;
    layer.attention_scale = 0.2f;
    const auto groups = container::LayerGroups(layer, 31, 8, {0, 8});
    for (const char* name : {"tiny_p8_l0_together.axmodel", "tiny_p8_l1_together.axmodel"}) {
      Write(name, layer, groups);
    }
    spec::Program post;
    post.kind = spec::Kind::kPost;
    post.hidden = 64;
    post.vocab = 100;
    Write("tiny_post.axmodel", post, container::PostGroups(post));
  }

  std::filesystem::path folder_;
  uint64_t bytes_ = 0;
};

TEST_F(Probe, CountsWhatATokenTakesAndRunsTheModel) {
  for (const auto weights :
       {spec::WeightType::kS8, spec::WeightType::kS4, spec::WeightType::kBf16}) {
    bytes_ = 0;
    WriteModel(weights);
    const auto loaded = LoadFolder(folder_);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->weight_bytes, bytes_);
    EXPECT_EQ(loaded->layer_multiply_adds, 2u * (4 * 64 * 64 + 3 * 64 * 128));
    EXPECT_EQ(loaded->chunk_tokens, 8u);
    const auto executor = model::Executor::Create({.threads = 1});
    ASSERT_TRUE(executor);
    const auto speeds = Measure(*loaded, **executor);
    ASSERT_TRUE(speeds) << speeds.error().message;
    EXPECT_GT(speeds->decode_tokens_per_s, 0);
    EXPECT_GT(speeds->prefill_tokens_per_s, 0);
  }
}

TEST_F(Probe, RefusesWhatIsNoBundle) {
  EXPECT_THAT(LoadFolder(folder_ / "none").error().message, HasSubstr("cannot read"));
  EXPECT_THAT(LoadFolder(folder_).error().message, HasSubstr("is no bundle"));
  WriteModel(spec::WeightType::kS8);
  const auto layer = folder_ / "tiny_p8_l1_together.axmodel";
  std::filesystem::copy_file(folder_ / "tiny_post.axmodel", layer,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(LoadFolder(folder_).error().message,
              AllOf(HasSubstr("tiny_p8_l1_together.axmodel"), HasSubstr("what its name says")));
  WriteModel(spec::WeightType::kS8);
  spec::Program hollow;
  hollow.kind = spec::Kind::kPost;
  hollow.hidden = 64;
  hollow.vocab = 100;
  hollow.geometry = true;
  Write("tiny_post.axmodel", hollow, container::PostGroups(hollow));
  EXPECT_THAT(LoadFolder(folder_).error().message, HasSubstr("has no weights"));
  std::ofstream(layer) << "no model";
  EXPECT_THAT(LoadFolder(folder_).error().message, HasSubstr("tiny_p8_l1_together.axmodel"));
}

TEST(Machine, ReadsAndMultiplies) {
  EXPECT_GT(ReadSpeed(1), 0);
  EXPECT_GT(MultiplyAddSpeed(*kernels::Find("auto"), 2), 0);
}

}  // namespace
}  // namespace axsim::probe
