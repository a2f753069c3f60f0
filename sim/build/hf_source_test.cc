#include "sim/build/hf_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/build/builder.h"
#include "sim/build/description.h"
#include "sim/build/gguf_source.h"
#include "sim/build/test_hf.h"

namespace axsim::build {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class HfFolderTest : public ::testing::Test {
 protected:
  static std::string RefusalOf(const TestFolder& folder) {
    const auto source = OpenSource(folder.path());
    auto error = source ? axollama::Error{} : source.error();
    if (source) {
      const auto d = Describe(**source);
      if (d) return "accepted";
      error = d.error();
    }
    EXPECT_THAT(error.message, Not(HasSubstr("\n")));
    EXPECT_THAT(error.message, HasSubstr(folder.path().string()));
    return error.message;
  }
  static std::string Refusal(const HfFolder& hf) {
    const TestFolder folder;
    hf.Write(folder);
    return RefusalOf(folder);
  }
  static std::string RefusalWith(std::string_view key, std::string_view json) {
    HfFolder hf = TinyHf();
    hf.Set(key, json);
    return Refusal(hf);
  }
  static Description MustDescribe(const HfFolder& hf) {
    const TestFolder folder;
    hf.Write(folder);
    const auto source = OpenSource(folder.path());
    EXPECT_TRUE(source) << source.error().message;
    auto d = Describe(**source);
    EXPECT_TRUE(d) << d.error().message;
    return std::move(*d);
  }
};

void AddHeadNorms(HfFolder* hf) {
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    hf->F32(std::string(layer) + "self_attn.q_norm.weight", {8}, Pattern(8, 5));
    hf->F32(std::string(layer) + "self_attn.k_norm.weight", {8}, Pattern(8, 6));
  }
}

TEST_F(HfFolderTest, SaysWhatTheGgufOfTheSameModelSays) {
  const TestFolder folder;
  const auto gguf = GgufSource::Open(folder.Write("x.gguf", TinyLlama().Bytes()));
  const auto want = Describe(*gguf);
  const Description d = MustDescribe(TinyHf());
  ASSERT_EQ(d.layers.size(), 2u);
  EXPECT_EQ(spec::WriteProgram(d.layers[1].program), spec::WriteProgram(want->layers[1].program));
  EXPECT_EQ(spec::WriteProgram(d.post.program), spec::WriteProgram(want->post.program));
  EXPECT_EQ(d.vocab, want->vocab);
  EXPECT_EQ(d.parameters, want->parameters);
  EXPECT_EQ(d.trained_context, want->trained_context);
  EXPECT_EQ(d.layers[1].rules[1].tensor, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(d.layers[1].rules[1].order, RowOrder::kPlain);
  EXPECT_EQ(d.post.rules[1].tensor, "model.embed_tokens.weight");
}

// From one file, from shards, and as bf16: always the very files of the GGUF.
TEST_F(HfFolderTest, MakesTheBundleOfTheGgufOfTheSameModel) {
  const TestFolder folder, single, sharded, halved;
  BuildOptions options;
  options.context_tokens = 64;
  options.chunk_tokens = 16;
  const auto build = [&](const fs::path& source, const char* name) {
    options.source = source;
    options.out = folder / name;
    const auto report = Build(options, [] { return false; }, [](uint64_t, uint64_t) {});
    EXPECT_TRUE(report) << report.error().message;
    return options.out;
  };
  const fs::path want = build(folder.Write("tiny.gguf", TinyLlama().Bytes()), "gguf");
  HfFolder hf = TinyHf();
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    hf.files[name] = ReadAll(want / name);
  }
  hf.Write(single);
  hf.WriteShards(sharded);
  for (auto& [name, tensor] : hf.tensors) {  // the values are bf16 already: take the upper halves
    std::string upper;
    for (size_t i = 0; i < tensor.data.size(); i += 4) upper += tensor.data.substr(i + 2, 2);
    tensor.data = upper;
    tensor.dtype = "BF16";
  }
  hf.Write(halved);
  for (const auto& out :
       {build(single.path(), "1"), build(sharded.path(), "2"), build(halved.path(), "3")}) {
    size_t files = 0;
    for (const auto& entry : fs::directory_iterator(want)) {
      const fs::path name = entry.path().filename();
      if (name == "config.json") continue;  // it has the name of the source
      EXPECT_TRUE(ReadAll(entry.path()) == ReadAll(out / name)) << name;
      ++files;
    }
    EXPECT_EQ(files, 7u);
    EXPECT_THAT(ReadAll(out / "config.json"), HasSubstr("\"eos_id\":[2,0]"));
    EXPECT_THAT(ReadAll(out / "config.json"), HasSubstr("\"bos_id\":1"));
  }
}

TEST_F(HfFolderTest, TakesAHeadBiasesAndSpareTensors) {
  HfFolder hf = TinyHf();
  hf.F32("lm_head.weight", {9, 32}, Pattern(9 * 32, 1));
  EXPECT_EQ(MustDescribe(hf).post.rules[1].tensor, "model.embed_tokens.weight");
  hf.Set("tie_word_embeddings", "false");
  hf.F32("model.layers.0.self_attn.rotary_emb.inv_freq", {4}, {1, 2, 3, 4});
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    hf.F32(std::string(layer) + "self_attn.q_proj.bias", {32}, Pattern(32, 5));
    hf.F32(std::string(layer) + "self_attn.k_proj.bias", {16}, Pattern(16, 6));
    hf.F32(std::string(layer) + "self_attn.v_proj.bias", {16}, Pattern(16, 7));
  }
  hf.Set("architectures", R"(["Qwen2ForCausalLM"])");
  const Description d = MustDescribe(hf);
  EXPECT_EQ(d.model_type, "qwen2");
  EXPECT_EQ(d.post.rules[1].tensor, "lm_head.weight");
  EXPECT_TRUE(d.layers[0].program.qkv_bias);
}

TEST_F(HfFolderTest, RopeScalingOldAndNew) {
  HfFolder hf = TinyHf();
  hf.Set("rope_scaling", R"({"type":"linear","factor":4.0})");
  EXPECT_THAT(MustDescribe(hf).layers[0].rules.back().values, ElementsAre(4, 4, 4, 4));
  hf.Set("rope_parameters", R"({"rope_type":"default","rope_theta":500.0})");
  EXPECT_EQ(MustDescribe(hf).layers[1].program.rope_theta, 500.0);
  EXPECT_EQ(MustDescribe(hf).layers[1].rules.back().weight, "down");
  // Waves of 2, 9.5, 45 and 211 positions times pi: the first is kept, the last stretched.
  hf.Set("rope_parameters", R"({"rope_type":"llama3","rope_theta":500.0,"factor":8.0,
      "low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64})");
  const auto factors = MustDescribe(hf).layers[0].rules.back().values;
  ASSERT_EQ(factors.size(), 4u);
  EXPECT_EQ(factors[0], 1.0f);
  EXPECT_NEAR(factors[1], 2.166375, 1e-5);
  EXPECT_EQ(factors[2], 8.0f);
  EXPECT_EQ(factors[3], 8.0f);
}

TEST_F(HfFolderTest, GemmasLayersAreLocalAndGlobal) {
  HfFolder hf = TinyHf();
  AddHeadNorms(&hf);
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    for (const char* norm : {"pre_feedforward_layernorm", "post_feedforward_layernorm"}) {
      hf.F32(std::string(layer) + norm + ".weight", {32}, Pattern(32, 8));
    }
  }
  hf.Set("architectures", R"(["Gemma3ForCausalLM"])");
  EXPECT_THAT(Refusal(hf), HasSubstr("has no key \"head_dim\""));
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"head_dim", "8"},
           {"hidden_act", "null"},
           {"hidden_activation", "\"gelu_pytorch_tanh\""},
           {"query_pre_attn_scalar", "16"},
           {"sliding_window", "24"},
           {"sliding_window_pattern", "2"},
           {"rope_local_base_freq", "10000.0"},
           {"rope_scaling", R"({"rope_type":"linear","factor":8.0})"}}) {
    hf.Set(key, value);
  }
  Description d = MustDescribe(hf);
  EXPECT_EQ(d.model_type, "gemma3_text");
  EXPECT_FLOAT_EQ(d.embedding_scale, 5.6568542f);
  const spec::Program& local = d.layers[0].program;
  EXPECT_EQ(local.sliding_window, 24u);
  EXPECT_EQ(local.rope_theta, 10000.0);
  EXPECT_EQ(local.attention_scale, 0.25f);
  EXPECT_EQ(local.activation, spec::Activation::kGeluTanh);
  EXPECT_EQ(d.layers[0].rules[0].offset, 1.0f);
  EXPECT_EQ(d.layers[0].rules[5].tensor, "model.layers.0.pre_feedforward_layernorm.weight");
  EXPECT_EQ(d.layers[0].rules.back().weight, "ffn_post_norm");
  EXPECT_EQ(d.layers[1].program.sliding_window, 0u);
  EXPECT_EQ(d.layers[1].program.rope_theta, 100000.0);
  EXPECT_EQ(d.layers[1].rules.back().weight, "rope_factors");
  EXPECT_EQ(d.post.rules[0].offset, 1.0f);
  hf.Set("layer_types", R"(["full_attention","sliding_attention"])");
  d = MustDescribe(hf);
  EXPECT_EQ(d.layers[0].program.sliding_window, 0u);
  EXPECT_EQ(d.layers[1].program.sliding_window, 24u);
  hf.Set("layer_types", R"(["full_attention","linear_attention"])");
  EXPECT_THAT(Refusal(hf), HasSubstr("layer of type \"linear_attention\""));
  hf.Set("layer_types", R"(["full_attention"])");
  EXPECT_THAT(Refusal(hf), HasSubstr("1 layer_types for 2 layers"));
}

TEST_F(HfFolderTest, MistralAndQwenMayLookBackOnlySoFar) {
  HfFolder hf = TinyHf();
  hf.Set("sliding_window", "24");
  EXPECT_EQ(MustDescribe(hf).layers[0].program.sliding_window, 0u);  // no setting of Llama's
  hf.Set("architectures", R"(["MistralForCausalLM"])");
  EXPECT_EQ(MustDescribe(hf).model_type, "mistral");
  EXPECT_EQ(MustDescribe(hf).layers[1].program.sliding_window, 24u);
  EXPECT_EQ(MustDescribe(hf).layers[1].program.rope_theta, 100000.0);
  AddHeadNorms(&hf);
  hf.Set("architectures", R"(["Qwen3ForCausalLM"])");
  hf.Set("head_dim", "8");
  hf.Set("use_sliding_window", "false");
  EXPECT_EQ(MustDescribe(hf).layers[1].program.sliding_window, 0u);
  hf.Set("use_sliding_window", "true");
  hf.Set("max_window_layers", "1");
  EXPECT_EQ(MustDescribe(hf).layers[0].program.sliding_window, 0u);
  EXPECT_EQ(MustDescribe(hf).layers[1].program.sliding_window, 24u);
}

TEST_F(HfFolderTest, ScalesOfGraniteAndMiniCpm) {
  HfFolder hf = TinyHf();
  hf.Set("architectures", R"(["GraniteForCausalLM"])");
  hf.Set("embedding_multiplier", "12.0");
  hf.Set("residual_multiplier", "0.25");
  hf.Set("attention_multiplier", "0.015625");
  hf.Set("logits_scaling", "8.0");
  Description d = MustDescribe(hf);
  EXPECT_EQ(d.embedding_scale, 12.0f);
  EXPECT_EQ(d.layers[0].program.residual_scale, 0.25f);
  EXPECT_EQ(d.layers[0].program.attention_scale, 0.015625f);
  EXPECT_EQ(d.post.program.logit_scale, 0.125f);
  hf.Set("logits_scaling", "0.0");
  EXPECT_THAT(Refusal(hf), HasSubstr("\"logits_scaling\" = 0"));
  hf.Set("architectures", R"(["MiniCPMForCausalLM"])");
  hf.Set("scale_emb", "12");
  hf.Set("scale_depth", "1.4");
  hf.Set("dim_model_base", "8");
  d = MustDescribe(hf);
  EXPECT_EQ(d.embedding_scale, 12.0f);
  EXPECT_FLOAT_EQ(d.layers[0].program.residual_scale, 0.98994949f);
  EXPECT_EQ(d.post.program.logit_scale, 0.25f);
}

TEST_F(HfFolderTest, RefusesByName) {
  EXPECT_THAT(RefusalWith("architectures", R"(["MixtralForCausalLM"])"),
              HasSubstr("architectures [MixtralForCausalLM]: one of LlamaForCausalLM, Mistral"));
  EXPECT_THAT(RefusalWith("architectures", "null"), HasSubstr("architectures []"));
  EXPECT_THAT(RefusalWith("quantization_config", R"({"quant_method":"gptq","bits":4})"),
              HasSubstr("quantised by \"gptq\""));
  EXPECT_THAT(RefusalWith("num_local_experts", "8"), HasSubstr("has \"num_local_experts\""));
  EXPECT_THAT(RefusalWith("final_logit_softcapping", "30.0"), HasSubstr("softcapping"));
  EXPECT_THAT(RefusalWith("rope_scaling", R"({"type":"yarn","factor":4.0})"),
              HasSubstr("\"rope_scaling\" scales RoPE by \"yarn\""));
  EXPECT_THAT(RefusalWith("rope_scaling", R"({"type":"linear","factor":0})"),
              HasSubstr("scales RoPE by 0"));
  EXPECT_THAT(RefusalWith("rope_scaling",
                          R"({"rope_type":"llama3","factor":8,"low_freq_factor":4,
                              "high_freq_factor":1,"original_max_position_embeddings":8192})"),
              HasSubstr("between the factors 4 and 1"));
  EXPECT_THAT(RefusalWith("rope_scaling", "[]"), HasSubstr("\"rope_scaling\" is not an object"));
  EXPECT_THAT(RefusalWith("partial_rotary_factor", "0.5"), HasSubstr("turns only 0.5"));
  EXPECT_THAT(RefusalWith("hidden_act", "\"relu\""), HasSubstr("activation \"relu\""));
  EXPECT_THAT(RefusalWith("num_hidden_layers", "4000000000"), HasSubstr("4000000000 layers"));
  EXPECT_THAT(RefusalWith("num_hidden_layers", "-1"), HasSubstr("is not a number from 0"));
  EXPECT_THAT(RefusalWith("num_attention_heads", "0"), HasSubstr("no attention heads"));
  EXPECT_THAT(RefusalWith("num_key_value_heads", "3"), HasSubstr("share 3 KV heads"));
  EXPECT_THAT(RefusalWith("head_dim", "4294967295"), HasSubstr("heads of 4294967295 values"));
  EXPECT_THAT(RefusalWith("rms_norm_eps", "\"small\""), HasSubstr("is not a number"));
  EXPECT_THAT(RefusalWith("hidden_size", "16"), HasSubstr("its settings need"));
  HfFolder hf = TinyHf();
  hf.tensors.erase("model.layers.1.mlp.up_proj.weight");
  EXPECT_THAT(Refusal(hf), HasSubstr("has no tensor \"model.layers.1.mlp.up_proj.weight\""));
  hf = TinyHf();
  hf.F32("model.layers.0.self_attn.o_proj.bias", {32}, Pattern(32, 3));
  EXPECT_THAT(Refusal(hf), HasSubstr("o_proj.bias\", which LlamaForCausalLM models do not use"));
  hf = TinyHf();
  hf.config.erase("rms_norm_eps");
  EXPECT_THAT(Refusal(hf), HasSubstr("config.json has no key \"rms_norm_eps\""));
}

TEST_F(HfFolderTest, RefusesFoldersThatAreNotWhole) {
  const TestFolder folder;
  EXPECT_THAT(RefusalOf(folder), HasSubstr("is a folder without config.json"));
  const HfFolder hf = TinyHf();
  hf.WriteWithoutWeights(folder);
  EXPECT_THAT(RefusalOf(folder), HasSubstr("has neither model.safetensors nor"));
  folder.Write("config.json", "{");
  EXPECT_THAT(RefusalOf(folder), HasSubstr("config.json: invalid JSON"));
  hf.WriteShards(folder);
  EXPECT_EQ(RefusalOf(folder), "accepted");
  fs::remove(folder / "model-00003-of-00020.safetensors");
  EXPECT_THAT(RefusalOf(folder), HasSubstr("00003-of-00020.safetensors, which is missing"));
  const auto index = [&](const std::string& map) {
    folder.Write("model.safetensors.index.json", "{\"weight_map\":" + map + "}");
    return RefusalOf(folder);
  };
  const TestFolder elsewhere;
  elsewhere.Write("x.safetensors", SafetensorsBytes(hf.tensors));
  for (const std::string& name :
       {std::string("../") + elsewhere.path().filename().string() + "/x.safetensors",
        (elsewhere / "x.safetensors").string(), std::string("..\\n.safetensors"),
        std::string("pytorch_model.bin")}) {
    EXPECT_THAT(index("{\"model.norm.weight\":\"" + name + "\"}"),
                HasSubstr("no .safetensors file beside it"));
  }
  EXPECT_THAT(index("{\"model.norm.weight\":1}"), HasSubstr("other values than file names"));
  EXPECT_THAT(index("[]"), HasSubstr("\"weight_map\" is not an object"));
  EXPECT_THAT(index("{\"ghost\":\"model-00001-of-00020.safetensors\"}"),
              HasSubstr("the tensor \"ghost\", which no file has"));
  folder.Write("copy.safetensors", ReadAll(folder / "model-00001-of-00020.safetensors"));
  EXPECT_THAT(index("{\"a\":\"model-00001-of-00020.safetensors\",\"b\":\"copy.safetensors\"}"),
              HasSubstr("\" twice"));
}

}  // namespace
}  // namespace axsim::build
