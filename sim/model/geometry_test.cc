#include "sim/model/geometry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "sim/model/assemble.h"

namespace axsim::model {
namespace {

constexpr uint32_t kHidden = 32;

spec::Program Layer() {
  spec::Program p;
  p.geometry = true;
  p.hidden = kHidden;
  p.heads = 2;
  p.kv_heads = 1;
  p.head_dim = 16;
  p.ffn = 64;
  p.context = 16;
  p.rope_dims = 16;
  p.attention_scale = 0.25f;
  return p;
}

spec::Program Post() {
  spec::Program p;
  p.kind = spec::Kind::kPost;
  p.geometry = true;
  p.hidden = kHidden;
  p.vocab = 300;
  return p;
}

// Buffers for one group, filled with NaN patterns.
struct Buffers {
  explicit Buffers(const container::Group& group) {
    for (const auto* side : {&group.inputs, &group.outputs}) {
      auto& memory = side == &group.inputs ? inputs : outputs;
      auto& spans = side == &group.inputs ? in : out;
      for (const container::Tensor& tensor : *side) {
        memory.emplace_back(tensor.size_bytes(), std::byte{0xff});
      }
      for (auto& bytes : memory) spans.emplace_back(bytes);
    }
  }
  std::vector<float> Floats(size_t output) const {
    std::vector<float> values(outputs[output].size() / 2);
    for (size_t i = 0; i < values.size(); ++i) {
      uint16_t bits;
      std::memcpy(&bits, outputs[output].data() + 2 * i, sizeof bits);
      values[i] = axollama::Bf16ToFloat(bits);
    }
    return values;
  }
  std::vector<std::vector<std::byte>> inputs, outputs;
  std::vector<std::span<std::byte>> in, out;
};

class GeometryModelTest : public testing::Test {
 protected:
  static std::unique_ptr<Model> Make(spec::Program program, std::vector<container::Group> groups) {
    container::Model description;
    description.program = std::move(program);
    description.groups = std::move(groups);
    auto model = Assemble(std::move(description));
    EXPECT_TRUE(model) << model.error().message;
    return model ? std::move(*model) : nullptr;
  }
  std::unique_ptr<Executor> executor_ = *Executor::Create({.threads = 1, .isa = "scalar"});
};

TEST_F(GeometryModelTest, OutputsAreFiniteAndFollowThePosition) {
  const auto layer = Make(Layer(), container::LayerGroups(Layer(), 15, 4, {0, 4}));
  const auto post = Make(Post(), container::PostGroups(Post()));
  const container::Group& chunk = layer->description().groups[2];
  Buffers buffers(chunk);
  const uint32_t positions[] = {4, 5, 6, 7};
  std::memcpy(buffers.inputs[2].data(), positions, sizeof positions);
  ASSERT_TRUE(layer->Run(*executor_, 2, buffers.in, buffers.out));
  for (size_t i = 0; i < 3; ++i) {
    const auto values = buffers.Floats(i);
    EXPECT_TRUE(std::all_of(values.begin(), values.end(), [](float v) { return v >= 0; }));
  }
  for (size_t row = 0; row < 4; ++row) {
    EXPECT_EQ(buffers.Floats(2)[row * kHidden], static_cast<float>(positions[row]));
    Buffers head(post->description().groups[0]);
    std::copy_n(buffers.outputs[2].begin() + static_cast<ptrdiff_t>(row * kHidden * 2), kHidden * 2,
                head.inputs[0].begin());
    ASSERT_TRUE(post->Run(*executor_, 0, head.in, head.out));
    const auto logits = head.Floats(0);
    EXPECT_EQ(std::max_element(logits.begin(), logits.end()) - logits.begin(),
              static_cast<ptrdiff_t>('a' + positions[row]));
  }
}

TEST_F(GeometryModelTest, AStackGivesTheSameTokens) {
  spec::Program stack;
  stack.kind = spec::Kind::kStack;
  stack.geometry = true;
  stack.hidden = kHidden;
  stack.parts = {Layer(), Post()};
  const auto model = Make(stack, container::StackGroups(stack, {{15, 1}}));
  Buffers buffers(model->description().groups[0]);
  const uint32_t position = 300;  // as 44
  std::memcpy(buffers.inputs[1].data(), &position, sizeof position);
  ASSERT_TRUE(model->Run(*executor_, 0, buffers.in, buffers.out));
  EXPECT_EQ(buffers.Floats(0)['a' + 44 % 26], 30.0f);
}

// A hidden row that no layer wrote, and a vocabulary without letters.
TEST_F(GeometryModelTest, ThePostModelTakesAnyInput) {
  spec::Program program = Post();
  program.vocab = 7;
  const auto post = Make(program, container::PostGroups(program));
  Buffers buffers(post->description().groups[0]);
  ASSERT_TRUE(post->Run(*executor_, 0, buffers.in, buffers.out));
  EXPECT_EQ(buffers.Floats(0)[0], 30.0f);
}

TEST_F(GeometryModelTest, BindingsAreChecked) {
  const auto post = Make(Post(), container::PostGroups(Post()));
  Buffers buffers(post->description().groups[0]);
  EXPECT_FALSE(post->Run(*executor_, 1, buffers.in, buffers.out));
  buffers.out[0] = buffers.out[0].first(10);
  EXPECT_FALSE(post->Run(*executor_, 0, buffers.in, buffers.out));
  EXPECT_FALSE(post->Run(*executor_, 0, {}, buffers.out));
}

}  // namespace
}  // namespace axsim::model
