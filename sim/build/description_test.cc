#include "sim/build/description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "sim/build/gguf_source.h"
#include "sim/build/test_gguf.h"

namespace axsim::build {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace json = axollama::json;

class FromGguf : public ::testing::Test {
 protected:
  GgufSource Open(const GgufFile& file) {
    auto gguf = GgufSource::Open(folder_.Write("x.gguf", file.Bytes()));
    EXPECT_TRUE(gguf) << gguf.error().message;
    return std::move(*gguf);
  }
  std::string Refusal(const GgufFile& file) {
    const GgufSource gguf = Open(file);
    const auto result = Describe(gguf);
    return result ? "accepted" : result.error().message;
  }
  std::string TokenizerRefusal(const GgufFile& file) {
    const GgufSource gguf = Open(file);
    const auto result = gguf.Tokenizer(kTinyVocab);
    return result ? "accepted" : result.error().message;
  }
  TestFolder folder_;
};

using DescriptionOfGguf = FromGguf;
using TokenizerOfGguf = FromGguf;

TEST_F(DescriptionOfGguf, DescribesLlama) {
  const GgufSource gguf = Open(TinyLlama());
  const auto d = Describe(gguf);
  ASSERT_TRUE(d) << d.error().message;
  EXPECT_EQ(d->model_type, "llama");
  EXPECT_EQ(d->vocab, kTinyVocab);
  EXPECT_EQ(d->hidden, 32u);
  EXPECT_EQ(d->trained_context, 256u);
  EXPECT_EQ(d->parameters, 9u * 32 + 32 + 2 * (2 * 32 + 32 * 32 * 2 + 16 * 32 * 2 + 3 * 64 * 32));
  ASSERT_EQ(d->layers.size(), 2u);
  const spec::Program& p = d->layers[1].program;
  EXPECT_EQ(p.kind, spec::Kind::kLayer);
  EXPECT_EQ(p.heads, 4u);
  EXPECT_EQ(p.kv_heads, 2u);
  EXPECT_EQ(p.head_dim, 8u);
  EXPECT_EQ(p.ffn, 64u);
  EXPECT_EQ(p.rope_dims, 8u);
  EXPECT_EQ(p.rope_theta, 100000.0);
  EXPECT_EQ(p.norm_eps, 1e-5f);
  EXPECT_FLOAT_EQ(p.attention_scale, 0.35355339f);
  EXPECT_FALSE(p.qkv_bias);
  EXPECT_EQ(d->layers[1].rules[1].tensor, "blk.1.attn_q.weight");
  EXPECT_EQ(d->layers[1].rules[1].order, RowOrder::kInterleavedPairs);
  EXPECT_EQ(d->layers[1].rules[3].order, RowOrder::kPlain);
  EXPECT_EQ(d->post.program.kind, spec::Kind::kPost);
  EXPECT_EQ(d->post.rules[1].tensor, "token_embd.weight");
}

TEST_F(DescriptionOfGguf, TakesAHeadBiasesAndRopeFactorsWhereTheyAre) {
  GgufFile f = TinyLlama();
  f.F32("output.weight", {32, kTinyVocab}, Pattern(32 * kTinyVocab, 99));
  f.F32("rope_freqs.weight", {4}, {1, 2, 3, 4});
  for (const char* block : {"blk.0.", "blk.1."}) {
    f.F32(std::string(block) + "attn_q.bias", {32}, Pattern(32, 5));
    f.F32(std::string(block) + "attn_k.bias", {16}, Pattern(16, 6));
    f.F32(std::string(block) + "attn_v.bias", {16}, Pattern(16, 7));
  }
  const GgufSource gguf = Open(f);
  const auto d = Describe(gguf);
  ASSERT_TRUE(d) << d.error().message;
  EXPECT_EQ(d->post.rules[1].tensor, "output.weight");
  EXPECT_TRUE(d->layers[0].program.qkv_bias);
  std::vector<std::string> names;
  for (const WeightRule& rule : d->layers[0].rules) names.push_back(rule.weight);
  EXPECT_THAT(names, ::testing::IsSupersetOf({"q_bias", "k_bias", "v_bias", "rope_factors"}));
}

TEST_F(DescriptionOfGguf, LinearRopeScalingBecomesEqualFactors) {
  GgufFile f = TinyLlama();
  f.Text("llama.rope.scaling.type", "linear");
  f.Float("llama.rope.scaling.factor", 8.0f);
  const GgufSource gguf = Open(f);
  const auto d = Describe(gguf);
  ASSERT_TRUE(d) << d.error().message;
  const WeightRule& rule = d->layers[1].rules.back();
  EXPECT_EQ(rule.weight, "rope_factors");
  EXPECT_EQ(rule.cols, 4u);
  EXPECT_THAT(rule.values, ElementsAre(8, 8, 8, 8));
  f.Text("llama.rope.scaling.type", "none");
  const GgufSource unscaled = Open(f);
  EXPECT_EQ(Describe(unscaled)->layers[1].rules.back().weight, "down");
}

void AddHeadNorms(GgufFile* f) {
  for (const char* block : {"blk.0.", "blk.1."}) {
    f->F32(std::string(block) + "attn_q_norm.weight", {8}, Pattern(8, 5));
    f->F32(std::string(block) + "attn_k_norm.weight", {8}, Pattern(8, 6));
  }
}

TEST_F(DescriptionOfGguf, QwensHaveHalvesAlready) {
  GgufFile f = TinyLlama();
  f.Rename("llama", "qwen2");
  for (const char* block : {"blk.0.", "blk.1."}) {
    f.F32(std::string(block) + "attn_q.bias", {32}, Pattern(32, 5));
    f.F32(std::string(block) + "attn_k.bias", {16}, Pattern(16, 6));
    f.F32(std::string(block) + "attn_v.bias", {16}, Pattern(16, 7));
  }
  const GgufSource qwen2 = Open(f);
  auto d = Describe(qwen2);
  ASSERT_TRUE(d) << d.error().message;
  EXPECT_EQ(d->model_type, "qwen2");
  EXPECT_TRUE(d->layers[0].program.qkv_bias);
  EXPECT_FALSE(d->layers[0].program.qk_norm);
  for (const WeightRule& rule : d->layers[0].rules) EXPECT_EQ(rule.order, RowOrder::kPlain);

  f = TinyLlama();
  f.Rename("llama", "qwen3");
  EXPECT_THAT(Refusal(f), HasSubstr("has no tensor \"blk.0.attn_q_norm.weight\""));
  AddHeadNorms(&f);
  const GgufSource qwen3 = Open(f);
  d = Describe(qwen3);
  ASSERT_TRUE(d) << d.error().message;
  EXPECT_EQ(d->model_type, "qwen3");
  EXPECT_TRUE(d->layers[1].program.qk_norm);
  EXPECT_EQ(d->layers[1].rules.back().tensor, "blk.1.attn_k_norm.weight");
  EXPECT_EQ(d->embedding_scale, 1.0f);
}

TEST_F(DescriptionOfGguf, GemmasLayersAreLocalAndGlobal) {
  GgufFile f = TinyLlama();
  f.Rename("llama", "gemma3");
  AddHeadNorms(&f);
  for (const char* block : {"blk.0.", "blk.1."}) {
    f.F32(std::string(block) + "post_attention_norm.weight", {32}, Pattern(32, 8));
    f.F32(std::string(block) + "post_ffw_norm.weight", {32}, Pattern(32, 9));
  }
  f.Uint("gemma3.attention.sliding_window", 24);
  f.Uint("gemma3.attention.sliding_window_pattern", 2);
  f.Text("gemma3.rope.scaling.type", "linear");
  f.Float("gemma3.rope.scaling.factor", 8.0f);
  const GgufSource gguf = Open(f);
  const auto d = Describe(gguf);
  ASSERT_TRUE(d) << d.error().message;
  EXPECT_EQ(d->model_type, "gemma3_text");
  EXPECT_FLOAT_EQ(d->embedding_scale, 5.6568542f);
  const spec::Program& local = d->layers[0].program;
  const spec::Program& global = d->layers[1].program;
  EXPECT_EQ(local.sliding_window, 24u);
  EXPECT_EQ(local.rope_theta, 10000.0);
  EXPECT_EQ(d->layers[0].rules.back().weight, "ffn_post_norm");
  EXPECT_EQ(global.sliding_window, 0u);
  EXPECT_EQ(global.rope_theta, 100000.0);
  EXPECT_EQ(d->layers[1].rules.back().weight, "rope_factors");
  EXPECT_EQ(global.activation, spec::Activation::kGeluTanh);
  EXPECT_TRUE(global.post_norms);
  EXPECT_TRUE(global.qk_norm);
  EXPECT_FLOAT_EQ(global.attention_scale, 0.35355339f);
  f.Float("gemma3.final_logit_softcapping", 30.0f);
  EXPECT_THAT(Refusal(f), HasSubstr("has gemma3.final_logit_softcapping"));
}

TEST_F(DescriptionOfGguf, ScalesOfGraniteAndMiniCpm) {
  GgufFile f = TinyLlama();
  f.Rename("llama", "granite");
  EXPECT_THAT(Refusal(f), HasSubstr("has no key \"granite.logit_scale\""));
  f.Float("granite.logit_scale", 8.0f);
  f.Float("granite.embedding_scale", 12.0f);
  f.Float("granite.residual_scale", 0.25f);
  f.Float("granite.attention.scale", 0.0f);
  const GgufSource granite = Open(f);
  auto d = Describe(granite);
  ASSERT_TRUE(d) << d.error().message;
  EXPECT_EQ(d->post.program.logit_scale, 0.125f);
  EXPECT_EQ(d->embedding_scale, 12.0f);
  EXPECT_EQ(d->layers[0].program.residual_scale, 0.25f);
  EXPECT_FLOAT_EQ(d->layers[0].program.attention_scale, 0.35355339f);
  f.Float("granite.attention.scale", 0.015625f);
  const GgufSource scaled = Open(f);
  EXPECT_EQ(Describe(scaled)->layers[0].program.attention_scale, 0.015625f);
  f.Rename("granite", "minicpm");
  f.values.erase("minicpm.residual_scale");
  EXPECT_THAT(Refusal(f), HasSubstr("has no key \"minicpm.residual_scale\""));
}

TEST_F(DescriptionOfGguf, RefusesByName) {
  GgufFile f = TinyLlama();
  f.Text("general.architecture", "phi3");
  EXPECT_THAT(Refusal(f), HasSubstr("architecture \"phi3\", which is not built yet: llama, qwen2"));
  f = TinyLlama();
  f.Uint("llama.expert_count", 8);
  EXPECT_THAT(Refusal(f), HasSubstr("mixture of experts"));
  f = TinyLlama();
  f.Text("llama.rope.scaling.type", "yarn");
  EXPECT_THAT(Refusal(f), HasSubstr("scales RoPE by \"yarn\""));
  f = TinyLlama();
  f.Float("llama.rope.scaling.factor", 4.0f);
  f.F32("rope_freqs.weight", {4}, {1, 2, 3, 4});
  EXPECT_THAT(Refusal(f), HasSubstr("scales RoPE by \"linear\", factor 4"));
  f = TinyLlama();
  f.Uint("llama.rope.dimension_count", 4000000000u);
  EXPECT_THAT(Refusal(f), HasSubstr("turns 4000000000 of the 8 values of a head"));
  f = TinyLlama();
  f.Uint("llama.attention.head_count_kv", 3);
  EXPECT_THAT(Refusal(f), HasSubstr("4 heads of 8 values that share 3 KV heads"));
  f = TinyLlama();
  f.Float("llama.attention.layer_norm_rms_epsilon", -1.0f);
  EXPECT_THAT(Refusal(f), HasSubstr("cannot be run: program: \"norm_eps\" is -1"));
  f = TinyLlama();
  f.Set("split.count", 2, Raw(uint16_t{3}));
  EXPECT_THAT(Refusal(f), HasSubstr("one of 3 parts"));
  f = TinyLlama();
  f.values.erase("llama.attention.head_count");
  EXPECT_THAT(Refusal(f), HasSubstr("has no key \"llama.attention.head_count\""));
  f = TinyLlama();
  f.tensors.erase("blk.1.ffn_up.weight");
  EXPECT_THAT(Refusal(f), HasSubstr("has no tensor \"blk.1.ffn_up.weight\""));
  f = TinyLlama();
  f.F32("blk.0.attn_k.weight", {32, 8}, Pattern(256, 3));
  EXPECT_THAT(Refusal(f),
              HasSubstr("\"blk.0.attn_k.weight\" as [32, 8], its settings need [32, 16]"));
  f = TinyLlama();
  f.F32("blk.0.attn_output.bias", {32}, Pattern(32, 3));
  EXPECT_THAT(Refusal(f),
              HasSubstr("tensor \"blk.0.attn_output.bias\", which llama models do not"));
}

TEST_F(TokenizerOfGguf, IsInHuggingFacesForm) {
  const GgufSource gguf = Open(TinyLlama());
  const auto files = gguf.Tokenizer(kTinyVocab);
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_THAT(files->eos_ids, ElementsAre(2, 0));
  EXPECT_EQ(files->bos_id, 1u);
  EXPECT_EQ(files->chat_template, "{% for m in messages %}{{ m['content'] }}{% endfor %}");
  const auto root = json::ParseObject(files->tokenizer_json, "tokenizer.json");
  ASSERT_TRUE(root) << root.error().message;
  const json::Array& added = root->at("added_tokens").as_array();
  ASSERT_EQ(added.size(), 4u);
  EXPECT_EQ(added[2].at("content").as_string(), "<|im_end|>");
  EXPECT_EQ(added[2].at("special").as_bool(), true);
  EXPECT_EQ(added[3].at("content").as_string(), "<tool>");
  EXPECT_EQ(added[3].at("special").as_bool(), false);
  EXPECT_TRUE(root->at("post_processor").is_null());
  EXPECT_EQ(json::Write(root->at("pre_tokenizer")),
            R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)"
            R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,)"
            R"("use_regex":true}]})");
  const json::Value& model = root->at("model");
  EXPECT_TRUE(model.at("unk_token").is_null());
  EXPECT_EQ(model.at("ignore_merges").as_bool(), false);
  EXPECT_EQ(model.at("vocab").as_object().size(), kTinyVocab);
  EXPECT_EQ(model.at("vocab").at("\"").as_int64(), 7);
  EXPECT_EQ(model.at("merges").as_array()[0].as_string(), "a b");
  const auto config = json::ParseObject(files->tokenizer_config_json, "tokenizer_config.json");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->at("eos_token").as_string(), "<|im_end|>");
  EXPECT_EQ(config->at("bos_token").as_string(), "<|im_start|>");
  EXPECT_EQ(config->at("add_bos_token").as_bool(), false);
}

TEST_F(TokenizerOfGguf, KnowsTheOtherPreTokenizers) {
  GgufFile f = TinyLlama();
  for (const char* pre : {"gpt-2", "qwen2", "llama-bpe"}) {
    f.Text("tokenizer.ggml.pre", pre);
    f.values.erase("tokenizer.ggml.add_bos_token");
    const GgufSource gguf = Open(f);
    const auto files = gguf.Tokenizer(kTinyVocab);
    ASSERT_TRUE(files) << files.error().message;
    const auto root = json::ParseObject(files->tokenizer_json, "tokenizer.json");
    ASSERT_TRUE(root) << pre << ": " << root.error().message;
    const bool llama3 = std::string_view(pre) == "llama-bpe";
    EXPECT_EQ(root->at("model").at("ignore_merges").as_bool(), llama3);
    EXPECT_EQ(root->at("post_processor").is_object(), llama3);
    if (llama3) {
      EXPECT_EQ(json::Write(root->at("post_processor")),
                R"({"type":"TemplateProcessing","single":[)"
                R"({"SpecialToken":{"id":"<|im_start|>","type_id":0}},)"
                R"({"Sequence":{"id":"A","type_id":0}}],"pair":[)"
                R"({"SpecialToken":{"id":"<|im_start|>","type_id":0}},)"
                R"({"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],)"
                R"("special_tokens":{"<|im_start|>":{"id":"<|im_start|>","ids":[1],)"
                R"("tokens":["<|im_start|>"]}}})");
    }
  }
}

// Cuts of the best piece first; "bc" cannot be made, since "c" is no normal piece.
TEST_F(TokenizerOfGguf, SentencePieceGetsItsMerges) {
  GgufFile f = TinyLlama();
  f.Text("tokenizer.ggml.model", "llama");
  f.Texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a", "b", "ab", "\xe2\x96\x81",
                                    "\xe2\x96\x81"
                                    "ab",
                                    "c"});
  f.Ints("tokenizer.ggml.token_type", {2, 3, 3, 1, 1, 1, 1, 1, 4});
  std::string scores = Raw(uint32_t{6}) + Raw(uint64_t{9});
  for (const float score : {0.f, 0.f, 0.f, -4.f, -5.f, -2.f, -6.f, -1.f, 0.f}) scores += Raw(score);
  f.Set("tokenizer.ggml.scores", 9, scores);
  f.values.erase("tokenizer.ggml.add_bos_token");
  const GgufSource gguf = Open(f);
  const auto files = gguf.Tokenizer(kTinyVocab);
  ASSERT_TRUE(files) << files.error().message;
  const auto root = json::ParseObject(files->tokenizer_json, "tokenizer.json");
  ASSERT_TRUE(root) << root.error().message;
  const json::Value& model = root->at("model");
  EXPECT_EQ(json::Write(model.at("merges")), "[[\"\xe2\x96\x81\",\"ab\"],[\"a\",\"b\"]]");
  EXPECT_EQ(model.at("byte_fallback").as_bool(), true);
  EXPECT_EQ(model.at("unk_token").as_string(), "<unk>");
  EXPECT_EQ(root->at("normalizer").at("type").as_string(), "Sequence");
  EXPECT_EQ(root->at("decoder").at("decoders").as_array().size(), 4u);
  EXPECT_TRUE(root->at("post_processor").is_object());  // <s> comes first
  f.Bool("tokenizer.ggml.add_space_prefix", false);
  const GgufSource plain = Open(f);
  const auto gemma = json::ParseObject(plain.Tokenizer(kTinyVocab)->tokenizer_json, "t");
  ASSERT_TRUE(gemma);
  EXPECT_EQ(gemma->at("normalizer").at("type").as_string(), "Replace");
  EXPECT_EQ(gemma->at("decoder").at("decoders").as_array().size(), 3u);
}

TEST_F(TokenizerOfGguf, RefusesByName) {
  GgufFile f = TinyLlama();
  f.Text("tokenizer.ggml.model", "t5");
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("tokenizer of type \"t5\""));
  f.Text("tokenizer.ggml.model", "llama");
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("\"tokenizer.ggml.scores\""));
  f.Set("tokenizer.ggml.scores", 9, Raw(uint32_t{6}) + Raw(uint64_t{2}) + Raw(1.0f) + Raw(2.0f));
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("2 scores for 9 tokens"));
  f = TinyLlama();
  f.Text("tokenizer.ggml.pre", "deepseek-llm");
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("pre-tokenizer \"deepseek-llm\""));
  f = TinyLlama();
  f.Texts("tokenizer.ggml.merges", {"a b", "b a"});
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("merge 1"));
  f = TinyLlama();
  f.Ints("tokenizer.ggml.token_type", {1});
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("9 tokens and 1 token types for an embedding of 9"));
  f = TinyLlama();
  f.Uint("tokenizer.ggml.eos_token_id", 9);
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("token 9 as eos"));
  f = TinyLlama();
  f.Texts("tokenizer.ggml.tokens", {"a", "b", "ab", "c", "d", "e", "f", "g", "\xff"});
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("token 8 that is empty or no UTF-8"));
  f.Texts("tokenizer.ggml.tokens", {"a", "b", "ab", "c", "d", "e", "f", "g", "a"});
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("token 8 twice"));
  f = TinyLlama();
  f.Bool("tokenizer.ggml.add_bos_token", true);
  f.values.erase("tokenizer.ggml.bos_token_id");
  EXPECT_THAT(TokenizerRefusal(f), HasSubstr("does not say which"));
}

}  // namespace
}  // namespace axsim::build
