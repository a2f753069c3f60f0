#include "api/embed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/json.h"

namespace axollama::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Texts(const Result<EmbedRequest>& request) {
  std::vector<std::string> texts;
  if (!request) return {request.error().message};
  for (const EmbedInput& input : request->inputs) texts.push_back(input.text);
  return texts;
}

TEST(Embed, ReadsTextsAndWhatBelongsToThem) {
  EXPECT_THAT(Texts(ParseEmbed(R"({"model":"m","input":"a"})")), ElementsAre("a"));
  EXPECT_THAT(Texts(ParseEmbed(R"({"model":"m","input":["a","","b"]})")),
              ElementsAre("a", "", "b"));
  for (const char* none :
       {R"({"model":"m"})", R"({"input":null})", R"({"input":""})", R"({"input":[]})"}) {
    EXPECT_THAT(Texts(ParseEmbed(none)), ElementsAre()) << none;
  }
  const auto full =
      ParseEmbed(R"({"model":"m","input":"a","truncate":false,"dimensions":64,"keep_alive":"1m",)"
                 R"("options":{"num_ctx":512}})");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->model, "m");
  EXPECT_FALSE(full->truncate);
  EXPECT_TRUE(full->normalize);
  EXPECT_EQ(full->dimensions, 64);
  EXPECT_EQ(full->keep_alive_ns, 60'000'000'000);
  EXPECT_EQ(full->options.num_ctx, 512);
  EXPECT_TRUE(ParseEmbed("{}")->truncate);
}

TEST(Embed, RefusesInOllamasWords) {
  for (const char* bad : {R"({"input":7})", R"({"input":["a",7]})", R"({"input":[[1]]})",
                          R"({"input":{}})", R"({"input":true})"}) {
    EXPECT_THAT(Texts(ParseEmbed(bad)), ElementsAre("invalid input type")) << bad;
  }
  EXPECT_THAT(Texts(ParseEmbed(" ")), ElementsAre("missing request body"));
  EXPECT_THAT(Texts(ParseEmbed(R"({"options":7})")), ElementsAre(HasSubstr("\"options\"")));
  // Said when the model is known to exist.
  const auto later = ParseEmbed(R"({"options":{"num_ctx":"x"}})");
  ASSERT_TRUE(later);
  EXPECT_EQ(later->refused->message, "option \"num_ctx\" must be of type integer");
}

TEST(Embed, TheOlderRouteHasOnePrompt) {
  const auto request = ParseEmbeddings(R"({"model":"m","prompt":"a","keep_alive":0})");
  EXPECT_THAT(Texts(request), ElementsAre("a"));
  EXPECT_FALSE(request->normalize);
  EXPECT_FALSE(request->truncate);
  EXPECT_EQ(request->keep_alive_ns, 0);
  EXPECT_THAT(Texts(ParseEmbeddings(R"({"model":"m","prompt":""})")), ElementsAre());
  EXPECT_THAT(Texts(ParseEmbeddings(R"({"prompt":"a"})")), ElementsAre("model is required"));
  EXPECT_FALSE(ParseEmbeddings(R"({"model":"m","prompt":["a"]})"));
}

TEST(Embed, OpenAiTakesTokensToo) {
  EXPECT_THAT(Texts(ParseOpenAiEmbeddings(R"({"model":"m","input":["a","b"]})")),
              ElementsAre("a", "b"));
  EXPECT_THAT(Texts(ParseOpenAiEmbeddings(R"({"input":""})")), ElementsAre(""));
  const auto one = ParseOpenAiEmbeddings(R"({"input":[1,2]})");
  ASSERT_TRUE(one);
  ASSERT_EQ(one->inputs.size(), 1u);
  EXPECT_THAT(*one->inputs[0].tokens, ElementsAre(1, 2));
  const auto two = ParseOpenAiEmbeddings(R"({"input":[[1,2],[3]],"encoding_format":"BASE64"})");
  ASSERT_TRUE(two);
  EXPECT_THAT(*two->inputs.at(1).tokens, ElementsAre(3));
  EXPECT_TRUE(two->as_base64);
  EXPECT_FALSE(one->as_base64);
  for (const char* none : {"{}", R"({"input":null})", R"({"input":[]})"}) {
    EXPECT_THAT(Texts(ParseOpenAiEmbeddings(none)), ElementsAre("invalid input")) << none;
  }
  for (const char* bad : {R"({"input":7})", R"({"input":[1,"a"]})", R"({"input":[["a"]]})",
                          R"({"input":[[-1]]})", R"({"input":[[4294967296]]})"}) {
    EXPECT_THAT(Texts(ParseOpenAiEmbeddings(bad)), ElementsAre("invalid input type")) << bad;
  }
  EXPECT_THAT(Texts(ParseOpenAiEmbeddings(R"({"input":"a","encoding_format":"int8"})")),
              ElementsAre("Invalid value for 'encoding_format' = int8. Supported values: ['float', "
                          "'base64']."));
}

TEST(Embed, WritesEachApisAnswer) {
  const Embedded embedded{{{0.5f, -1.0f}, {1e-7f, 3.0f}}, 7, 30, 20};
  EXPECT_EQ(WriteEmbed("m\"x", embedded),
            R"({"model":"m\"x","embeddings":[[0.5,-1],[1e-07,3]],"total_duration":30,)"
            R"("load_duration":20,"prompt_eval_count":7})");
  EXPECT_EQ(WriteEmbed("m", {}), R"({"model":"m","embeddings":[]})");
  EXPECT_EQ(WriteEmbeddings(embedded), R"({"embedding":[0.5,-1]})");
  EXPECT_EQ(WriteEmbeddings({}), R"({"embedding":[]})");
  EmbedRequest request;
  request.model = "m";
  EXPECT_EQ(WriteOpenAiEmbeddings(request, embedded),
            R"({"object":"list","data":[{"object":"embedding","embedding":[0.5,-1],"index":0},)"
            R"({"object":"embedding","embedding":[1e-07,3],"index":1}],"model":"m",)"
            R"("usage":{"prompt_tokens":7,"total_tokens":7}})");
  request.as_base64 = true;
  // Python: base64.b64encode(struct.pack("<...f", ...))
  for (const auto& [vector, text] :
       {std::pair(std::vector<float>{0.5f}, "AAAAPw=="),
        std::pair(std::vector<float>{0.5f, -1.0f}, "AAAAPwAAgL8="),
        std::pair(std::vector<float>{0.5f, -1.0f, 3.0f}, "AAAAPwAAgL8AAEBA")}) {
    EXPECT_THAT(WriteOpenAiEmbeddings(request, {{vector}, 1, 0, 0}),
                HasSubstr(std::string("\"embedding\":\"") + text + "\","));
  }
}

TEST(Embed, FloatsKeepTheirBitsOnTheWayFromTheRunner) {
  const std::vector<float> values = {
      0.1f, -1.0f / 3, 1e-38f, 1e-45f, 16777216.0f, std::numeric_limits<float>::max(), -0.0f};
  const Embedded embedded{{values}, 1, 0, 0};
  // The runner's answer has the form of OpenAI's.
  const auto back = ParseRunnerEmbedding(WriteOpenAiEmbeddings({}, embedded));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, values);
  for (const char* bad : {"x", "{}", R"({"data":[]})", R"({"data":[{}]})",
                          R"({"data":[{"embedding":["a"]}]})", R"({"data":[{"embedding":[1e39]}]})",
                          R"({"data":[{"embedding":[1]},{"embedding":[1]}]})"}) {
    const auto refused = ParseRunnerEmbedding(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().kind, ErrorKind::kInternal);
  }
  EXPECT_EQ(WriteRunnerEmbedding({5, 6}, 128),
            R"({"input":[5,6],"embd_normalize":-1,"n_ctx":128})");
}

}  // namespace
}  // namespace axollama::api
