#include "bundle/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bundle/test_folder.h"

namespace axollama::bundle {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kLayer1[] = "qwen3_p128_l1_together.axmodel";

class BundleTest : public ::testing::Test {
 protected:
  void SetUp() override { FillBundle(folder_); }

  // The message with which the folder is refused.
  std::string Refusal(ErrorKind kind = ErrorKind::kInvalid) {
    const auto bundle = Open(folder_.path());
    if (bundle) return "(accepted)";
    EXPECT_EQ(bundle.error().kind, kind) << bundle.error().message;
    EXPECT_THAT(bundle.error().message, ::testing::Not(HasSubstr("\n")));
    return bundle.error().message;
  }
  void Remove(const char* name) { std::filesystem::remove(folder_.path() / name); }

  TestFolder folder_;
};

TEST_F(BundleTest, OpensWithAnEmptyConfig) {
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_FALSE(bundle->simulator);
  EXPECT_EQ(bundle->folder, folder_.path());
  EXPECT_EQ(bundle->model_type, "qwen3");
  EXPECT_EQ(bundle->chunk_tokens, 128u);
  EXPECT_EQ(bundle->layout, Layout::kLayers);
  EXPECT_EQ(bundle->layer_count, 3u);
  ASSERT_EQ(bundle->layers.size(), 3u);
  EXPECT_EQ(bundle->layers[1].filename(), kLayer1);
  EXPECT_EQ(bundle->post.filename(), "qwen3_post.axmodel");
  EXPECT_EQ(bundle->embedding->tokens(), 5u);
  EXPECT_EQ(bundle->embedding->width(), 8u);
  EXPECT_EQ(bundle->context_tokens, 256u);
  EXPECT_THAT(bundle->chat_template, HasSubstr("<|im_start|>"));
  EXPECT_THAT(bundle->eos_ids, ElementsAre(2));  // <|im_end|>, by the template
  EXPECT_THAT(bundle->notes, Contains(HasSubstr("config.json is empty")));
  EXPECT_GT(bundle->size_bytes, 4u * 4096u);
  EXPECT_GT(bundle->modified_ns, 0);
}

TEST_F(BundleTest, KnowsABundleForEmbeddings) {
  EXPECT_FALSE(Open(folder_.path())->makes_embeddings);
  folder_.Write("config.json", R"({"is_embedding":true})");
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_TRUE(bundle->makes_embeddings);
  EXPECT_THAT(bundle->notes.front(), HasSubstr("bundle for embeddings"));
  folder_.Write("config.json", R"({"is_embedding":"yes"})");
  EXPECT_THAT(Refusal(), HasSubstr("\"is_embedding\" must be"));

  // A simulator's file says it itself.
  FillBundle(folder_, "axollama-sim", R"({"kind":"layer"})");
  folder_.Write("qwen3_post.axmodel",
                MakeAxmodel("axollama-sim", 8, 0, R"({"kind":"post","embedding":true})"));
  folder_.Write("config.json", "{}");
  const auto ours = Open(folder_.path());
  ASSERT_TRUE(ours) << ours.error().message;
  EXPECT_TRUE(ours->makes_embeddings);
  EXPECT_THAT(ours->notes, Contains(HasSubstr("is_embedding false, the post model true")));
}

TEST_F(BundleTest, OpensWithoutAConfig) {
  Remove("config.json");
  EXPECT_TRUE(Open(folder_.path()));
}

TEST_F(BundleTest, ReadsASimulatorBundle) {
  FillBundle(folder_, "axollama-sim", R"({"kind":"layer","weights":"s8","hidden":8})");
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_TRUE(bundle->simulator);
  EXPECT_EQ(bundle->weights, "s8");
}

TEST_F(BundleTest, ReadsTheSettings) {
  folder_.Write("config.json",
                R"({"axmodel_num":3,"tokens_embed_num":5,"tokens_embed_size":8,"eos_id":[4,2],)"
                R"("bos_id":1,"system_prompt":"Be kind.","stop":["END"],)"
                R"("axollama":{"parameters":1234,"weights":"bf16"},)"
                R"("filename_post_axmodel":"/home/someone/qwen3_post.axmodel"})");
  folder_.Write("generation_config.json", R"({"eos_token_id":[2,3]})");
  folder_.Write("tokenizer_config.json",
                R"({"eos_token":{"content":"<|endoftext|>"},"bos_token":null,)"
                R"("chat_template":[{"name":"tool_use","template":"T"},)"
                R"({"name":"default","template":"D"}]})");
  auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_THAT(bundle->eos_ids, ElementsAre(4, 2, 3, 0));
  EXPECT_EQ(bundle->eos_token, "<|endoftext|>");
  EXPECT_EQ(bundle->bos_token, "<|im_start|>");
  EXPECT_EQ(bundle->chat_template, "D");
  EXPECT_EQ(bundle->system_prompt, "Be kind.");
  EXPECT_THAT(bundle->stop_strings, ElementsAre("END"));
  EXPECT_EQ(bundle->parameters, 1234u);
  EXPECT_EQ(bundle->weights, "bf16");

  folder_.Write("chat_template.jinja", "J");
  bundle = Open(folder_.path());
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle->chat_template, "J");
}

TEST_F(BundleTest, FindsTheTokenizerInItsFolder) {
  Remove("tokenizer.json");
  folder_.Write("tokenizer/tokenizer.json", R"({"added_tokens": [ ]})");
  folder_.Write("tokenizer/tokenizer_config.json", R"({"chat_template":"X"})");
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(bundle->tokenizer, folder_.path() / "tokenizer" / "tokenizer.json");
  EXPECT_EQ(bundle->chat_template, "X");
}

TEST_F(BundleTest, NoTemplateForATokenizerWithoutChatMl) {
  folder_.Write("tokenizer.json", R"({"added_tokens":[]})");
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle->chat_template, "");
  EXPECT_THAT(bundle->notes, Contains(HasSubstr("no end token")));
}

TEST_F(BundleTest, NotesContradictions) {
  folder_.Write("config.json", R"({"axmodel_num":2,"hidden_size":16,"axollama":{"context":2048}})");
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_THAT(bundle->notes, Contains(AllOf(HasSubstr("axmodel_num 2"), HasSubstr("3 layers"))));
  EXPECT_THAT(bundle->notes, Contains(AllOf(HasSubstr("width of 16"), HasSubstr("files 8"))));
  EXPECT_THAT(bundle->notes, Contains(AllOf(HasSubstr("2048"), HasSubstr("256"))));
  EXPECT_EQ(bundle->context_tokens, 256u);
}

TEST_F(BundleTest, RefusesAMissingLayer) {
  Remove(kLayer1);
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("1 of 3 layers missing"), HasSubstr("index 1 ")));
}

TEST_F(BundleTest, RefusesAMissingLastLayerThatTheConfigKnows) {
  folder_.Write("config.json", R"({"axmodel_num":4})");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("index 3 "), HasSubstr("axmodel_num 4")));
}

TEST_F(BundleTest, RefusesAMissingPostModel) {
  Remove("qwen3_post.axmodel");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("qwen3_post.axmodel"), HasSubstr("missing")));
}

TEST_F(BundleTest, RefusesAnEmptyFile) {
  folder_.Write(kLayer1, "");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(kLayer1), HasSubstr("0 bytes")));
}

TEST_F(BundleTest, RefusesAGitLfsPointer) {
  constexpr char kPointer[] =
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n";
  for (const char* name :
       {kLayer1, "model.embed_tokens.weight.bfloat16.bin", "tokenizer.json", "config.json"}) {
    FillBundle(folder_);
    folder_.Write(name, kPointer);
    EXPECT_THAT(Refusal(), AllOf(HasSubstr(name), HasSubstr("git lfs pull")));
  }
}

TEST_F(BundleTest, RefusesACutFile) {
  const std::string whole = MakeAxmodel("Pulsar2", 8, 256);
  folder_.Write(kLayer1, whole.substr(0, whole.size() / 2));
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(kLayer1), HasSubstr("cut")));
  folder_.Write(kLayer1, "<html>not found</html>");
  EXPECT_THAT(Refusal(), HasSubstr("not an .axmodel"));
}

TEST_F(BundleTest, EveryCutOfAFileIsSafe) {
  const std::string whole = MakeAxmodel("Pulsar2", 8, 256, R"({"weights":"s8"})");
  for (size_t length = 1; length < whole.size(); length += 7) {
    folder_.Write(kLayer1, whole.substr(0, length));
    EXPECT_NE(Refusal(), "(accepted)") << length;
  }
}

TEST_F(BundleTest, RefusesAWrongEmbeddingSize) {
  folder_.Write("model.embed_tokens.weight.bfloat16.bin", std::string(5 * 16 - 2, 'x'));
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("78 bytes"), HasSubstr("16 bytes each")));
  folder_.Write("config.json", R"({"tokens_embed_num":5})");
  folder_.Write("model.embed_tokens.weight.bfloat16.bin", std::string(4 * 16, 'x'));
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("4 rows"), HasSubstr("tokens_embed_num 5")));
}

TEST_F(BundleTest, RefusesAMissingEmbedding) {
  Remove("model.embed_tokens.weight.bfloat16.bin");
  EXPECT_THAT(Refusal(), HasSubstr("no embedding table"));
}

TEST_F(BundleTest, RefusesAMissingTokenizer) {
  Remove("tokenizer.json");
  EXPECT_THAT(Refusal(), HasSubstr("has no tokenizer"));
  folder_.Write("notes.txt", "4300 things to do");
  EXPECT_THAT(Refusal(), HasSubstr("has no tokenizer"));
}

// Two special tokens (ids 1 and 3), one stop token.
constexpr char kVendorTokenizer[] =
    "430 3\n2 1 0\n1 3 3 \n5 1\na\n<|im_start|>\nb\n<|im_end|>\nab\na b\n";

TEST_F(BundleTest, ReadsATokenizerInTheVendorsForm) {
  Remove("tokenizer.json");
  folder_.Write("qwen3_tokenizer.txt", kVendorTokenizer);
  auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(bundle->tokenizer, folder_.path() / "qwen3_tokenizer.txt");
  EXPECT_THAT(bundle->eos_ids, ElementsAre(3));
  EXPECT_EQ(bundle->eos_token, "<|im_end|>");
  EXPECT_THAT(bundle->chat_template, HasSubstr("<|im_start|>"));
  EXPECT_THAT(bundle->notes, Contains(HasSubstr("in AXERA's text form")));
  EXPECT_THAT(bundle->notes, Contains(HasSubstr("the built-in ChatML is used")));

  // The one that config.json names goes first, whatever it is called and wherever it lay.
  folder_.Write("tokenizer/words",
                "430 0\n1 1 0\n1 2 \n3\nYQ== -1 1\nPHN0YXJ0X29mX3R1cm4+ 0 3\nYg== -2 1\n");
  folder_.Write("config.json", R"({"url_tokenizer_model":"/elsewhere/words"})");
  bundle = Open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(bundle->tokenizer, folder_.path() / "tokenizer" / "words");
  EXPECT_THAT(bundle->eos_ids, ElementsAre(2));
  EXPECT_THAT(bundle->chat_template, HasSubstr("<start_of_turn>"));

  folder_.Write("tokenizer.json", kTokenizerJson);  // says more
  EXPECT_EQ(Open(folder_.path())->tokenizer.filename(), "tokenizer.json");
}

TEST_F(BundleTest, RefusesAVendorTokenizerThatIsCut) {
  Remove("tokenizer.json");
  for (const char* text :
       {"430 ", "430 3\n", "430 3\n1 0 0\n", "430 3\n1 0 0\n0\n", "430 3\n2 1 0\n1 3\n5 1\n",
        "430 3\n1 0 0\n-1\n5 1\n", "430 3\n99999999 0 0\n1\n5 1\n", "430 3\n1 0 0\n1x\n5 1\n"}) {
    folder_.Write("tokenizer.txt", text);
    EXPECT_THAT(Refusal(), HasSubstr("tokenizer.txt is no tokenizer in AXERA's text form")) << text;
  }
}

TEST_F(BundleTest, RefusesTwoModelsInOneFolder) {
  folder_.Write("llama_p64_l0_together.axmodel", MakeAxmodel("Pulsar2", 8, 256));
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("llama_p64"), HasSubstr("qwen3_p128")));
  folder_.Write("config.json",
                R"({"template_filename_axmodel":"x/qwen3_p128_l%d_together.axmodel"})");
  EXPECT_EQ(Refusal(), "(accepted)");
  folder_.Write(kLayer1, MakeAxmodel("axollama-sim", 8, 256));
  EXPECT_THAT(Refusal(), HasSubstr("mixes two models"));
}

TEST_F(BundleTest, RefusesABadConfig) {
  folder_.Write("config.json", "{\"axmodel_num\":");
  EXPECT_THAT(Refusal(), HasSubstr("config.json"));
  folder_.Write("config.json", R"({"axmodel_num":"many"})");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("config.json"), HasSubstr("axmodel_num")));
  folder_.Write("config.json", R"({"eos_id":"</s>"})");
  EXPECT_THAT(Refusal(), HasSubstr("eos_id"));
}

TEST(BundleRefusals, WhatIsNoModelFolder) {
  TestFolder nothing;
  nothing.Write("README.md", "x");
  EXPECT_THAT(Open(nothing.path()).error().message, HasSubstr("not a model folder"));
  EXPECT_EQ(Open(nothing.path() / "none").error().kind, ErrorKind::kNotFound);
  EXPECT_FALSE(LooksLikeBundle(nothing.path()));
  EXPECT_FALSE(LooksLikeBundle(nothing.path() / "none"));
}

TEST_F(BundleTest, TheDigestFollowsTheFiles) {
  EXPECT_TRUE(LooksLikeBundle(folder_.path()));
  const auto bundle = Open(folder_.path());
  ASSERT_TRUE(bundle);
  const std::string before = LookAtFolder(bundle->folder).digest;
  EXPECT_EQ(before.size(), 64u);
  EXPECT_EQ(LookAtFolder(bundle->folder).digest, before);
  folder_.Write("config.json", "{}");
  EXPECT_NE(LookAtFolder(bundle->folder).digest, before);
}

}  // namespace
}  // namespace axollama::bundle
