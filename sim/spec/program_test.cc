#include "sim/spec/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace axsim::spec {
namespace {

using ::testing::HasSubstr;

Program Layer() {
  Program p;
  p.kind = Kind::kLayer;
  p.weights = WeightType::kBf16;
  p.hidden = 576;
  p.norm_eps = 9.999999747378752e-06f;
  p.heads = 9;
  p.kv_heads = 3;
  p.head_dim = 64;
  p.ffn = 1536;
  p.context = 2048;
  p.rope_dims = 64;
  p.rope_theta = 100000.0;
  p.attention_scale = 1.0f / std::sqrt(96.0f);
  p.residual_scale = 0.22f;
  p.sliding_window = 512;
  p.activation = Activation::kGeluTanh;
  p.qk_norm = true;
  p.post_norms = true;
  return p;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " is not in " << text;
  return text.replace(at, from.size(), to);
}

std::string ErrorOf(const std::string& text) {
  const auto program = ParseProgram(text);
  return program ? "accepted: " + text : program.error().message;
}

TEST(Program, LayerSurvivesTheRoundTripToTheLastBit) {
  const Program p = Layer();
  const auto read = ParseProgram(WriteProgram(p));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->kind, p.kind);
  EXPECT_EQ(read->weights, p.weights);
  EXPECT_EQ(read->hidden, p.hidden);
  EXPECT_EQ(read->norm_eps, p.norm_eps);
  EXPECT_EQ(read->heads, p.heads);
  EXPECT_EQ(read->kv_heads, p.kv_heads);
  EXPECT_EQ(read->head_dim, p.head_dim);
  EXPECT_EQ(read->ffn, p.ffn);
  EXPECT_EQ(read->context, p.context);
  EXPECT_EQ(read->rope_dims, p.rope_dims);
  EXPECT_EQ(read->rope_theta, p.rope_theta);
  EXPECT_EQ(read->attention_scale, p.attention_scale);
  EXPECT_EQ(read->residual_scale, p.residual_scale);
  EXPECT_EQ(read->sliding_window, p.sliding_window);
  EXPECT_EQ(read->activation, p.activation);
  EXPECT_EQ(read->qk_norm, p.qk_norm);
  EXPECT_EQ(read->qkv_bias, p.qkv_bias);
  EXPECT_EQ(read->post_norms, p.post_norms);
}

TEST(Program, PostSurvivesTheRoundTrip) {
  Program p;
  p.kind = Kind::kPost;
  p.hidden = 64;
  p.vocab = 49152;
  p.logit_scale = 0.125f;
  const auto read = ParseProgram(WriteProgram(p));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->kind, Kind::kPost);
  EXPECT_EQ(read->weights, WeightType::kS8);
  EXPECT_EQ(read->vocab, 49152u);
  EXPECT_EQ(read->logit_scale, 0.125f);
}

TEST(Program, APostModelMayEndAfterTheNorm) {
  Program p;
  p.kind = Kind::kPost;
  p.hidden = 576;
  p.embedding = true;
  const std::string text = WriteProgram(p);
  const auto read = ParseProgram(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->embedding);
  EXPECT_EQ(read->output_width(), 576u);
  EXPECT_THAT(ErrorOf(Replaced(text, "\"embedding\":true", "\"embedding\":true,\"vocab\":9")),
              HasSubstr("unknown key \"vocab\""));
  EXPECT_THAT(ErrorOf(Replaced(text, "true", "false")), HasSubstr("key \"vocab\" is missing"));
  EXPECT_THAT(ErrorOf(Replaced(WriteProgram(Layer()), "\"heads\"", "\"embedding\":true,\"heads\"")),
              HasSubstr("unknown key \"embedding\""));
}

TEST(Program, OnlyLayersHaveS4Weights) {
  Program p = Layer();
  p.weights = WeightType::kS4;
  const auto read = ParseProgram(WriteProgram(p));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->weights, WeightType::kS4);
  EXPECT_EQ(WeightsName(read->weights), "s4");
  Program post;
  post.kind = Kind::kPost;
  post.weights = WeightType::kS4;
  post.hidden = 8;
  post.vocab = 9;
  EXPECT_THAT(ErrorOf(WriteProgram(post)), HasSubstr("a post model has no s4 weights"));
}

Program Stack() {
  Program p;
  p.kind = Kind::kStack;
  p.weights = WeightType::kBf16;
  p.hidden = 576;
  p.parts = {Layer(), Layer(), Layer()};
  p.parts[1].sliding_window = 0;
  p.parts[2] = Program();
  p.parts[2].kind = Kind::kPost;
  p.parts[2].hidden = 576;
  p.parts[2].vocab = 49152;
  return p;
}

TEST(Program, StackSurvivesTheRoundTrip) {
  const auto read = ParseProgram(WriteProgram(Stack()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->kind, Kind::kStack);
  EXPECT_EQ(read->weights, WeightType::kBf16);
  EXPECT_EQ(read->hidden, 576u);
  ASSERT_EQ(read->parts.size(), 3u);
  EXPECT_EQ(read->parts[0].sliding_window, 512u);
  EXPECT_EQ(read->parts[1].sliding_window, 0u);
  EXPECT_EQ(read->parts[1].rope_theta, 100000.0);
  EXPECT_EQ(read->parts[2].kind, Kind::kPost);
  EXPECT_EQ(read->parts[2].weights, WeightType::kS8);
  EXPECT_EQ(PartPrefix(*read, 1), "l1.");
  EXPECT_EQ(PartPrefix(*read, 2), "");
}

TEST(Program, RefusesStacksThatCannotBe) {
  const auto changed = [](auto change) {
    Program p = Stack();
    change(p);
    return ErrorOf(WriteProgram(p));
  };
  EXPECT_THAT(changed([](Program& p) { p.parts.pop_back(); }), HasSubstr("part 1"));
  EXPECT_THAT(changed([](Program& p) { p.parts.clear(); }), HasSubstr("at least one layer"));
  EXPECT_THAT(changed([](Program& p) { p.parts = {p.parts[2]}; }), HasSubstr("at least one layer"));
  EXPECT_THAT(changed([](Program& p) { std::swap(p.parts[1], p.parts[2]); }),
              HasSubstr("part 1 of the stack is no layer"));
  EXPECT_THAT(changed([](Program& p) { p.parts[0] = p; }),
              HasSubstr("part 0 of the stack is no layer"));
  EXPECT_THAT(changed([](Program& p) { p.parts[1].hidden = 512; }), HasSubstr("512 wide"));
  EXPECT_THAT(changed([](Program& p) { p.parts[1].weights = WeightType::kS8; }),
              HasSubstr("layer 1 has weights of s8"));
  EXPECT_THAT(changed([](Program& p) { p.parts.insert(p.parts.begin(), 200, p.parts[0]); }),
              HasSubstr("at most 127"));
  EXPECT_THAT(changed([](Program& p) { p.parts[1].kv_heads = 4; }), HasSubstr("KV heads"));
  EXPECT_THAT(
      ErrorOf(Replaced(WriteProgram(Stack()), "{\"kind\":\"layer\"", "7,{\"kind\":\"layer\"")),
      HasSubstr("something else"));
}

TEST(Program, RefusesWhatItDoesNotKnow) {
  const std::string good = WriteProgram(Layer());
  EXPECT_THAT(ErrorOf(Replaced(good, "\"ffn\"", "\"fnf\"")), HasSubstr("\"ffn\" is missing"));
  EXPECT_THAT(ErrorOf(Replaced(good, "{", "{\"new_key\":1,")),
              HasSubstr("unknown key \"new_key\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"bf16\"", "\"s3\"")),
              HasSubstr("\"weights\" has an unknown value"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"layer\"", "7")), HasSubstr("\"kind\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"gelu_tanh\"", "\"relu\"")), HasSubstr("\"activation\""));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("program"));
  EXPECT_THAT(ErrorOf("{"), HasSubstr("invalid JSON"));
}

TEST(Program, RefusesSizesThatCannotBe) {
  const std::string good = WriteProgram(Layer());
  EXPECT_THAT(ErrorOf(Replaced(good, "\"hidden\":576", "\"hidden\":0")), HasSubstr("\"hidden\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"hidden\":576", "\"hidden\":-1")), HasSubstr("\"hidden\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"hidden\":576", "\"hidden\":4294967872")),
              HasSubstr("\"hidden\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"hidden\":576", "\"hidden\":\"576\"")),
              HasSubstr("\"hidden\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"kv_heads\":3", "\"kv_heads\":4")),
              HasSubstr("9 heads cannot share 4 KV heads"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"heads\":9,", "\"heads\":4095,")), HasSubstr("columns"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"rope_dims\":64", "\"rope_dims\":63")),
              HasSubstr("must be even"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"rope_dims\":64", "\"rope_dims\":66")),
              HasSubstr("at most head_dim 64"));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"qk_norm\":true", "\"qk_norm\":1")),
              HasSubstr("\"qk_norm\""));
  EXPECT_THAT(ErrorOf(Replaced(good, "\"context\":2048", "\"context\":0")),
              HasSubstr("\"context\""));
}

}  // namespace
}  // namespace axsim::spec
