// Folders in the split and single layouts: found by their files, refused when those do not fit.
#include "bundle/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bundle/bundle.h"
#include "bundle/test_folder.h"

namespace axollama::bundle {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kPrefill[] = "model_prefill.axmodel", kDecode[] = "model_decode.axmodel";
constexpr char kSingle[] = "model.axmodel";

class LayoutTest : public ::testing::Test {
 protected:
  LayoutTest() { FillRest(folder_); }
  void FillSplit(std::string_view producer = "Pulsar2", std::string_view program = "") {
    folder_.Write(kDecode, MakeStack(producer, 3, {1}, program));
    folder_.Write(kPrefill, MakeStack(producer, 3, {64, 64}, program));
  }
  void Remove(const char* name) { std::filesystem::remove(folder_.path() / name); }
  std::string Refusal() {
    const auto bundle = Open(folder_.path());
    if (bundle) return "(accepted)";
    EXPECT_EQ(bundle.error().kind, ErrorKind::kInvalid) << bundle.error().message;
    EXPECT_THAT(bundle.error().message, ::testing::Not(HasSubstr("\n")));
    return bundle.error().message;
  }

  TestFolder folder_;
};

TEST_F(LayoutTest, OpensASplitBundle) {
  FillSplit();
  EXPECT_TRUE(LooksLikeBundle(folder_.path()));
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(bundle->layout, Layout::kSplit);
  EXPECT_EQ(bundle->decode.filename(), kDecode);
  EXPECT_EQ(bundle->prefill.filename(), kPrefill);
  EXPECT_TRUE(bundle->layers.empty());
  EXPECT_TRUE(bundle->post.empty());
  EXPECT_EQ(bundle->layer_count, 3u);
  EXPECT_EQ(bundle->chunk_tokens, 64u);
  EXPECT_EQ(bundle->context_tokens, 8u);
  EXPECT_EQ(bundle->embedding->width(), 8u);
  EXPECT_EQ(bundle->model_type, "unknown");
  EXPECT_FALSE(bundle->simulator);
  EXPECT_THAT(bundle->notes,
              Contains(HasSubstr("split bundle of 3 layers, chunk 64, for the NPU")));
}

TEST_F(LayoutTest, OpensASingleBundle) {
  folder_.Write(kSingle, MakeStack("axollama-sim", 2, {1, 32, 32},
                                   R"({"kind":"stack","weights":"bf16","hidden":8,"parts":[]})"));
  folder_.Write("config.json", R"({"model_type":"gemma3_text","axollama":{"context":9}})");
  EXPECT_TRUE(LooksLikeBundle(folder_.path()));
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(bundle->layout, Layout::kSingle);
  EXPECT_EQ(bundle->decode, bundle->prefill);
  EXPECT_EQ(bundle->decode.filename(), kSingle);
  EXPECT_EQ(bundle->layer_count, 2u);
  EXPECT_EQ(bundle->chunk_tokens, 32u);
  EXPECT_EQ(bundle->model_type, "gemma3_text");
  EXPECT_TRUE(bundle->simulator);
  EXPECT_EQ(bundle->weights, "bf16");
  EXPECT_THAT(bundle->notes, Contains(HasSubstr("single bundle of 2 layers")));
  EXPECT_THAT(bundle->notes, Contains(HasSubstr("context of 9, the model files 8")));
  Remove("config.json");
  EXPECT_EQ(Refusal(), "(accepted)");
}

TEST_F(LayoutTest, RefusesHalfASplitBundle) {
  FillSplit();
  Remove(kPrefill);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("model_prefill.axmodel is missing"), HasSubstr("split")));
  FillSplit();
  Remove(kDecode);
  EXPECT_THAT(Refusal(), HasSubstr("model_decode.axmodel is missing"));
}

TEST_F(LayoutTest, RefusesMixtures) {
  FillSplit();
  folder_.Write(kSingle, MakeStack("Pulsar2", 3, {1}));
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("several layouts"), HasSubstr("split"),
                               HasSubstr("single"), HasSubstr("keep those of one")));
  Remove(kDecode);
  EXPECT_THAT(Refusal(), HasSubstr("several layouts"));
  Remove(kPrefill);
  EXPECT_EQ(Refusal(), "(accepted)");
  folder_.Write("qwen3_p128_l0_together.axmodel", MakeAxmodel("Pulsar2", 8, 256));
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("per-layer"), HasSubstr("_together.axmodel")));
  Remove("qwen3_p128_l0_together.axmodel");
  folder_.Write("qwen3_post.axmodel", MakeAxmodel("Pulsar2", 8, 0));
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("per-layer"), HasSubstr("_post.axmodel")));
}

TEST_F(LayoutTest, RefusesFilesThatDoNotBelongTogether) {
  FillSplit();
  folder_.Write(kPrefill, MakeStack("Pulsar2", 4, {64}));
  EXPECT_THAT(Refusal(),
              AllOf(HasSubstr("has 4 layers"), HasSubstr("has 3"), HasSubstr("different models")));
  folder_.Write(kPrefill, MakeStack("axollama-sim", 3, {64}));
  EXPECT_THAT(Refusal(), HasSubstr("mixes two models"));
  folder_.Write(kDecode, MakeStack("Pulsar2", 3, {64}));
  folder_.Write(kPrefill, MakeStack("Pulsar2", 3, {1}));
  EXPECT_THAT(Refusal(),
              AllOf(HasSubstr(kDecode), HasSubstr("64 tokens"), HasSubstr("other file")));
  folder_.Write(kDecode, MakeAxmodel("Pulsar2", 8, 256));
  EXPECT_THAT(Refusal(), HasSubstr("does not hold a whole model"));
}

TEST_F(LayoutTest, RefusesDamagedFiles) {
  FillSplit();
  folder_.Write(kPrefill, "");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(kPrefill), HasSubstr("0 bytes")));
  folder_.Write(kPrefill, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n");
  EXPECT_THAT(Refusal(), HasSubstr("git lfs pull"));
  const std::string whole = MakeStack("Pulsar2", 3, {64, 64});
  for (size_t length = 1; length < whole.size(); length += 97) {
    folder_.Write(kPrefill, whole.substr(0, length));
    EXPECT_NE(Refusal(), "(accepted)") << length;
  }
}

}  // namespace
}  // namespace axollama::bundle
