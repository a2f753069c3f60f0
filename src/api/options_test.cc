#include "api/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace axollama::api {
namespace {

Result<Options> Parse(const std::string& options) {
  return ParseOptions(*json::ParseObject("{\"options\":" + options + "}", "request"));
}

TEST(Options, AreReadByType) {
  const auto o = Parse(
      R"({"num_ctx":8192,"seed":-1,"temperature":0,"top_k":20.9,"top_p":0.5,"stop":["a","b"],
          "use_mmap":true,"repeat_last_n":-1,"num_predict":1e30,"num_keep":-1e30,
          "min_p":1,"seed":18446744073709551615})");
  ASSERT_TRUE(o) << o.error().message;
  EXPECT_EQ(o->num_ctx, 8192);
  EXPECT_EQ(o->temperature, 0.0);
  EXPECT_EQ(o->top_k, 20);
  EXPECT_EQ(o->top_p, 0.5);
  EXPECT_EQ(o->min_p, 1.0);
  EXPECT_EQ(o->stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(o->use_mmap, true);
  EXPECT_EQ(o->repeat_last_n, -1);
  EXPECT_EQ(o->num_predict, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(o->num_keep, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(o->seed, std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(o->frequency_penalty);
  EXPECT_TRUE(o->unknown.empty());
}

TEST(Options, NullUnknownAndDeprecatedOnesDoNoHarm) {
  const auto o = Parse(R"({"seed":null,"mirostat":"x","tfs_z":[],"numa":1,"fancy":{},"other":1})");
  ASSERT_TRUE(o);
  EXPECT_FALSE(o->seed);
  EXPECT_EQ(o->unknown, (std::vector<std::string>{"fancy", "other"}));
  EXPECT_TRUE(Parse("null"));
  EXPECT_TRUE(ParseOptions({}));
}

TEST(Options, WrongTypesNameTheOption) {
  const struct {
    const char* options;
    const char* message;
  } kCases[] = {
      {R"({"seed":"1"})", "option \"seed\" must be of type integer"},
      {R"({"num_ctx":true})", "option \"num_ctx\" must be of type integer"},
      {R"({"top_k":[1]})", "option \"top_k\" must be of type integer"},
      {R"({"temperature":"hot"})", "option \"temperature\" must be of type float32"},
      {R"({"top_p":false})", "option \"top_p\" must be of type float32"},
      {R"({"min_p":1e39})", "option \"min_p\" must be of type float32"},
      {R"({"use_mmap":1})", "option \"use_mmap\" must be of type boolean"},
      {R"({"stop":"x"})", "option \"stop\" must be of type array"},
      {R"({"stop":["x",1]})", "option \"stop\" must be of an array of strings"},
      {R"([])", "\"options\" must be an object"},
      {R"("x")", "\"options\" must be an object"},
  };
  for (const auto& c : kCases) {
    const auto o = Parse(c.options);
    ASSERT_FALSE(o) << c.options;
    EXPECT_EQ(o.error().message, c.message);
    EXPECT_EQ(o.error().kind, ErrorKind::kInvalid);
  }
}

TEST(Options, TheRequestWinsOverTheModelAndBothOverDefaults) {
  Options model;
  model.temperature = 0.1;
  model.top_k = 5;
  model.stop = {"model"};
  Options request;
  request.temperature = 0.0;
  const Sampling s = Resolve(Merge(request, model));
  EXPECT_EQ(s.temperature, 0.0);
  EXPECT_EQ(s.top_k, 5);
  EXPECT_EQ(s.stop, std::vector<std::string>{"model"});
  EXPECT_EQ(s.top_p, 0.9);
  EXPECT_EQ(s.repeat_last_n, 64);
  EXPECT_EQ(s.seed, -1);
  EXPECT_EQ(s.num_predict, -1);
}

TEST(Options, AreShownInLinesThatClientsParse) {
  Options o;
  o.temperature = 0.7;
  o.num_ctx = 2048;
  o.stop = {"<|im_end|>", "a\nb\"c"};
  const std::string text = FormatParameters(o);
  EXPECT_EQ(text,
            "num_ctx                        2048\n"
            "temperature                    0.7\n"
            "stop                           \"<|im_end|>\"\n"
            "stop                           \"a\\nb\\\"c\"");
  EXPECT_EQ(FormatParameters({}), "");
}

}  // namespace
}  // namespace axollama::api
