#include "npu/shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "npu/fake_device.h"

namespace axollama::npu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Refusal(const std::vector<device::GroupInfo>& groups) {
  const auto shape = ReadLayerShape(groups, "l7.axmodel");
  return shape ? "(accepted)" : shape.error().message;
}

TEST(Shapes, ReadsTheLadder) {
  const auto shape = ReadLayerShape(FakeLayerGroups({}), "l0");
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->hidden, 6u);
  EXPECT_EQ(shape->kv_width, 4u);
  EXPECT_EQ(shape->kv_rows(), 31u);
  EXPECT_EQ(shape->cache_rows(), 31u);
  EXPECT_EQ(shape->chunk(), 4u);
  EXPECT_EQ(shape->mask_bytes(), 4u * 20u * 2u);
  ASSERT_EQ(shape->prefill.size(), 4u);
  EXPECT_EQ(shape->prefill[0], (StepGroup{1, 4, 1, 0}));
  EXPECT_EQ(shape->prefill[3], (StepGroup{4, 4, 16, 16}));
  EXPECT_EQ(ChooseGroup(shape->prefill, 0)->index, 1u);
  EXPECT_EQ(ChooseGroup(shape->prefill, 1)->index, 2u);
  EXPECT_EQ(ChooseGroup(shape->prefill, 4)->index, 2u);
  EXPECT_EQ(ChooseGroup(shape->prefill, 5)->index, 3u);
  EXPECT_EQ(ChooseGroup(shape->prefill, 16)->index, 4u);
  EXPECT_EQ(ChooseGroup(shape->prefill, 17), nullptr);
}

TEST(Shapes, AnotherOrderAndOtherNames) {
  FakeSizes sizes;
  auto groups = FakeLayerGroups(sizes);
  for (auto& group : groups) {
    std::swap(group.inputs[0], group.inputs[4]);
    std::swap(group.outputs[0], group.outputs[2]);
    group.inputs[4].name = "k_cache";
    group.inputs[3].name = "input_embeds";
  }
  const auto shape = ReadLayerShape(groups, "l0");
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->tensors.mask, 0u);
  EXPECT_EQ(shape->tensors.k_cache, 4u);
  EXPECT_EQ(shape->tensors.output, 0u);
  EXPECT_FALSE(CheckSameShape(*ReadLayerShape(FakeLayerGroups(sizes), "l1"), *shape, "l0"));
}

TEST(Shapes, SeveralDecodeGroupsAndIndexPlanes) {
  FakeSizes sizes;
  sizes.decode_rows = {8, 31, 16};
  sizes.index_planes = 3;
  const auto shape = ReadLayerShape(FakeLayerGroups(sizes), "l0");
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->kv_rows(), 31u);
  EXPECT_EQ(shape->index_planes, 3u);
  EXPECT_EQ(ChooseGroup(shape->decode, 8)->index, 0u);
  EXPECT_EQ(ChooseGroup(shape->decode, 9)->index, 2u);
  EXPECT_EQ(ChooseGroup(shape->decode, 31)->index, 1u);
}

TEST(Shapes, RefusesContradictions) {
  const auto change = [](auto&& change_it) {
    auto groups = FakeLayerGroups({});
    change_it(groups);
    return Refusal(groups);
  };
  const auto set = [](device::TensorInfo& tensor, std::vector<int32_t> dims, uint64_t element) {
    tensor.dims = std::move(dims);
    tensor.size_bytes = element;
    for (const int32_t dim : tensor.dims) tensor.size_bytes *= static_cast<uint64_t>(dim);
  };
  EXPECT_EQ(change([](auto&) {}), "(accepted)");
  EXPECT_THAT(change([](auto& g) { g[0].inputs[1].name = "state"; }),
              AllOf(HasSubstr("l7.axmodel"), HasSubstr("\"state\""), HasSubstr("not supported")));
  EXPECT_THAT(change([](auto& g) { g[0].inputs.pop_back(); }), HasSubstr("no input \"mask\""));
  EXPECT_THAT(change([](auto& g) { g[0].inputs.push_back(g[0].inputs[0]); }),
              HasSubstr("a tensor twice"));
  EXPECT_THAT(change([&](auto& g) { set(g[2].inputs[4], {1, 4, 9}, 2); }),
              AllOf(HasSubstr("shape group 2"), HasSubstr("columns of mask is 9"),
                    HasSubstr("should be 8")));
  EXPECT_THAT(change([&](auto& g) { set(g[1].outputs[2], {1, 4, 7}, 2); }),
              HasSubstr("the width of output is 7"));
  EXPECT_THAT(change([&](auto& g) { set(g[0].inputs[3], {1, 1, 6}, 4); }),
              AllOf(HasSubstr("24 bytes"), HasSubstr("12 were expected")));
  EXPECT_THAT(change([&](auto& g) { set(g[0].inputs[0], {31}, 2); }), HasSubstr("shape [31]"));
  EXPECT_THAT(change([](auto& g) { g[0].inputs[2].size_bytes = 8; }), HasSubstr("indices has 8"));
  EXPECT_THAT(change([](auto& g) { g.erase(g.begin()); }), HasSubstr("no shape group of one row"));
  EXPECT_EQ(Refusal({}), "l7.axmodel: has no shape group");

  FakeSizes other;
  other.kv_rows = 15;
  other.decode_rows = {15};
  const Status differs = CheckSameShape(*ReadLayerShape(FakeLayerGroups({}), "l0"),
                                        *ReadLayerShape(FakeLayerGroups(other), "l1"), "l1");
  ASSERT_FALSE(differs);
  EXPECT_THAT(differs.error().message, AllOf(HasSubstr("15"), HasSubstr("31")));
}

TEST(Shapes, PostModels) {
  auto groups = FakePostGroups({});
  auto shape = ReadPostShape(groups, "post");
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->width, 11u);
  EXPECT_EQ(shape->hidden, 6u);
  EXPECT_EQ(shape->logit_bytes, 2u);
  groups[0].outputs[0].size_bytes = 44;
  EXPECT_EQ(ReadPostShape(groups, "post")->logit_bytes, 4u);
  groups[0].outputs[0].size_bytes = 12;
  EXPECT_THAT(ReadPostShape(groups, "post").error().message, HasSubstr("12 bytes for 11 values"));
  groups[0].outputs[0].name = "probabilities";
  EXPECT_THAT(ReadPostShape(groups, "post").error().message, HasSubstr("\"output\""));
}

}  // namespace
}  // namespace axollama::npu
