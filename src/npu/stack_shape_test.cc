#include "npu/stack_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace axollama::npu {
namespace {

using device::DataType;
using device::GroupInfo;
using device::TensorInfo;
using ::testing::AllOf;
using ::testing::HasSubstr;

TensorInfo Make(std::string name, std::vector<int32_t> dims, uint64_t element = 2) {
  uint64_t bytes = element;
  for (const int32_t dim : dims) bytes *= static_cast<uint64_t>(dim);
  return {std::move(name), DataType::kNone, std::move(dims), bytes};
}

// Hidden size 6, KV width 4, 11 tokens.
GroupInfo Group(int32_t rows, int32_t history, int layers = 3) {
  GroupInfo group{{Make("input_embeds", {1, rows, 6}), Make("indices", {1, rows}, 4),
                   Make("mask", {1, rows, history + rows})},
                  {Make("logits", {1, rows, 11})}};
  for (int i = 0; i < layers; ++i) {
    const std::string end = "_" + std::to_string(i);
    group.inputs.push_back(Make("k_cache" + end, {1, history, 4}));
    group.inputs.push_back(Make("v_cache" + end, {1, history, 4}));
    group.outputs.push_back(Make("k_cache_out" + end, {1, rows, 4}));
    group.outputs.push_back(Make("v_cache_out" + end, {1, rows, 4}));
  }
  return group;
}

using Groups = std::vector<GroupInfo>;

std::string Refusal(const Groups& first, const Groups& second = {}) {
  std::vector<NamedGroups> files = {{first, "a.axmodel"}};
  if (!second.empty()) files.push_back({second, "b.axmodel"});
  const auto shape = ReadStackShape(files);
  if (shape) return "(accepted)";
  EXPECT_EQ(shape.error().kind, ErrorKind::kInvalid);
  return shape.error().message;
}

TEST(StackShape, OfOneFile) {
  const Groups groups = {Group(1, 31), Group(4, 1), Group(4, 8)};
  const auto shape = ReadStackShape({{groups, "model.axmodel"}});
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->layers(), 3u);
  EXPECT_EQ(shape->width, 11u);
  EXPECT_EQ(shape->logit_bytes, 2u);
  EXPECT_EQ(shape->layer.hidden, 6u);
  EXPECT_EQ(shape->layer.kv_width, 4u);
  EXPECT_EQ(shape->layer.kv_rows(), 31u);
  EXPECT_EQ(shape->layer.chunk(), 4u);
  ASSERT_EQ(shape->layer.prefill.size(), 2u);
  EXPECT_EQ(shape->layer.prefill[0].usable_rows, 0u);
  EXPECT_EQ(shape->PlaceOf(shape->layer.prefill[1]).file, 0u);
  EXPECT_EQ(shape->PlaceOf(shape->layer.prefill[1]).group, 2u);
  const StackTensors& t = shape->files[0];
  EXPECT_EQ(t.input, 0u);
  EXPECT_EQ(t.mask, 2u);
  EXPECT_EQ(t.layers[1].k_cache, 5u);
  EXPECT_EQ(t.layers[2].v_out, 6u);
}

TEST(StackShape, OfTwoFilesInAnyOrderAndSpelling) {
  const Groups decode = {Group(1, 31)};
  Groups prefill = {Group(4, 1), Group(4, 8)};
  for (GroupInfo& group : prefill) {
    std::reverse(group.inputs.begin(), group.inputs.end());
    for (TensorInfo& tensor : group.inputs) {
      if (tensor.name == "input_embeds") tensor.name = "input";
      if (tensor.name.front() == 'k') tensor.name.front() = 'K';
    }
    group.outputs[0].name = "output";
  }
  const auto shape = ReadStackShape({{decode, "d"}, {prefill, "p"}});
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->files[1].input, 8u);
  EXPECT_EQ(shape->files[1].layers[0].k_cache, 5u);
  const auto place = shape->PlaceOf(shape->layer.prefill[1]);
  EXPECT_EQ(place.file, 1u);
  EXPECT_EQ(place.group, 1u);
  EXPECT_EQ(shape->PlaceOf(shape->layer.decode[0]).file, 0u);
}

TEST(StackShape, RefusesWhatDoesNotFit) {
  const Groups good = {Group(1, 31), Group(4, 8)};
  const auto changed = [&](const std::function<void(Groups&)>& change) {
    Groups groups = good;
    change(groups);
    return Refusal(groups);
  };
  EXPECT_EQ(Refusal(good), "(accepted)");
  EXPECT_THAT(Refusal({}), HasSubstr("no shape group"));
  EXPECT_THAT(Refusal({Group(1, 31, 0)}), HasSubstr("does not hold a whole model"));
  EXPECT_THAT(Refusal({Group(4, 8)}), HasSubstr("no shape group of one row"));
  EXPECT_THAT(changed([](Groups& g) {
                g[0].inputs.erase(g[0].inputs.begin() + 5);
                g[1].inputs.erase(g[1].inputs.begin() + 5);
              }),
              HasSubstr("no tensor \"k_cache_1\""));
  EXPECT_THAT(changed([](Groups& g) { g[1].inputs.pop_back(); }), HasSubstr("other tensors"));
  EXPECT_THAT(changed([](Groups& g) { g[0].inputs[3].name = "k_cache"; }),
              HasSubstr("\"k_cache\""));
  EXPECT_THAT(changed([](Groups& g) { g[0].inputs[3].name = "k_cache_4000000000"; }),
              HasSubstr("not supported"));
  EXPECT_THAT(changed([](Groups& g) { g[0].inputs[3].name = "k_cache_1"; }), HasSubstr("twice"));
  EXPECT_THAT(changed([](Groups& g) { g[0].inputs[2].name = "mask_0"; }), HasSubstr("\"mask_0\""));
  EXPECT_THAT(changed([](Groups& g) {
                for (GroupInfo& group : g) group.outputs.erase(group.outputs.begin());
              }),
              HasSubstr("no tensor \"logits\""));
  EXPECT_THAT(changed([](Groups& g) { g[0].outputs[0] = Make("logits", {1, 1, 11}, 1); }),
              HasSubstr("neither bf16 nor float"));
  EXPECT_THAT(changed([](Groups& g) { g[1].outputs[0] = Make("logits", {1, 1, 11}); }),
              AllOf(HasSubstr("shape group 1"), HasSubstr("4 rows")));
  EXPECT_THAT(changed([](Groups& g) { g[1].outputs[0] = Make("logits", {1, 4, 12}); }),
              HasSubstr("different models"));
  EXPECT_THAT(changed([](Groups& g) { g[1].inputs[5] = Make("k_cache_1", {1, 9, 4}); }),
              HasSubstr("rows of V_cache"));
  EXPECT_THAT(Refusal({Group(1, 31)}, {Group(4, 8, 2)}),
              AllOf(HasSubstr("b.axmodel"), HasSubstr("2 layers"), HasSubstr("has 3")));
}

TEST(StackShape, RefusesLayersThatDiffer) {
  Groups groups = {Group(1, 31), Group(4, 8)};
  for (GroupInfo& group : groups) {
    const int32_t rows = group.inputs[0].dims[1], history = group.inputs[3].dims[1];
    group.inputs[7] = Make("k_cache_2", {1, history, 8});
    group.inputs[8] = Make("v_cache_2", {1, history, 8});
    group.outputs[5] = Make("k_cache_out_2", {1, rows, 8});
    group.outputs[6] = Make("v_cache_out_2", {1, rows, 8});
  }
  EXPECT_THAT(Refusal(groups), AllOf(HasSubstr("layer 2"), HasSubstr("K/V width")));
}

}  // namespace
}  // namespace axollama::npu
