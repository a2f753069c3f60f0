#include "runner/embeddings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <future>

#include "base/json.h"
#include "engine/fakes.h"

namespace axollama::runner {
namespace {

using engine::FakeModel;
using ::testing::HasSubstr;

constexpr uint32_t kWidth = 258;  // the fake model has as many logits as tokens

class Answer : public net::Responder {
 public:
  void SetHeader(std::string_view, std::string_view) override {}
  void Send(int code, std::string_view, std::string_view text) override {
    status = code;
    body = text;
  }
  void Begin(int, std::string_view) override { ADD_FAILURE(); }
  bool Write(std::string_view) override { return false; }
  bool begun() const override { return status != 0; }
  bool gone() const override { return leaves; }
  void OnGone(std::function<void()> callback) override {
    if (callback) ++watched;
  }

  json::Object Json() const {
    auto object = json::ParseObject(body, "the answer");
    EXPECT_TRUE(object) << body;
    return object.value_or(json::Object());
  }

  bool leaves = false;
  int watched = 0;
  int status = 0;
  std::string body;
};

class EmbeddingsTest : public ::testing::Test {
 protected:
  void SetUp() override { Load(true); }

  void Load(bool makes_embeddings) {
    npu::Limits limits;
    limits.context_tokens = 16;
    limits.chunk_tokens = 8;
    limits.max_prompt_tokens = 16;
    limits.vocab = kWidth;
    limits.hidden = kWidth;
    limits.makes_embeddings = makes_embeddings;
    info_.tokenizer = std::make_shared<engine::FakeTokenizer>();
    info_.limits = limits;
    std::promise<Status> loaded;
    engine_ = std::make_unique<engine::Engine>(
        engine::Engine::Options(),
        [&](const npu::StopCheck&) -> Result<engine::Parts> {
          engine::Parts parts;
          parts.model = std::make_unique<FakeModel>(limits);
          return parts;
        },
        [&](const Status& status) { loaded.set_value(status); });
    ASSERT_TRUE(loaded.get_future().get());
  }

  Answer Ask(std::string_view body) {
    Answer answer;
    ServeEmbeddings(*engine_, info_, body, answer);
    return answer;
  }
  // The vector of answer `index`.
  static std::vector<float> Vector(const Answer& answer, size_t index) {
    const json::Object json = answer.Json();
    std::vector<float> vector;
    for (const json::Value& value : json.at("data").at(index).at("embedding").as_array()) {
      vector.push_back(static_cast<float>(value.to_number<double>()));
    }
    return vector;
  }
  static std::vector<float> Expected(const std::vector<int32_t>& tokens) {
    std::vector<float> vector(kWidth);
    FakeModel::Mixed(tokens, vector);
    return vector;
  }

  ModelInfo info_;
  std::unique_ptr<engine::Engine> engine_;
};

TEST_F(EmbeddingsTest, AnswersTextsAndTokensInTheirOrder) {
  const Answer answer = Ask(R"({"input":["ab",[97],"b"],"embd_normalize":-1})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(Vector(answer, 0), Expected({97, 98}));
  EXPECT_EQ(Vector(answer, 1), Expected({97}));
  EXPECT_EQ(Vector(answer, 2), Expected({98}));
  const json::Object json = answer.Json();
  EXPECT_EQ(json::Write(json.at("usage")), R"({"prompt_tokens":4,"total_tokens":4})");
  EXPECT_EQ(json.at("data").at(2).at("index").to_number<int>(), 2);
  EXPECT_EQ(json.at("data").at(0).at("tokens_evaluated").to_number<int>(), 2);
  EXPECT_EQ(answer.watched, 3) << "the client's leaving ends whichever is computed";

  for (const char* same :
       {R"({"input":"ab","embd_normalize":-1})", R"({"input":[97,98],"embd_normalize":-1})"}) {
    EXPECT_EQ(Vector(Ask(same), 0), Expected({97, 98})) << same;
  }
}

TEST_F(EmbeddingsTest, VectorsHaveTheLengthOne) {
  const std::vector<float> vector = Vector(Ask(R"({"input":"ab"})"), 0);
  const std::vector<float> raw = Expected({97, 98});
  double sum = 0, raw_sum = 0, dot = 0;
  for (size_t i = 0; i < raw.size(); ++i) {
    sum += double{vector[i]} * vector[i];
    raw_sum += double{raw[i]} * raw[i];
    dot += double{vector[i]} * raw[i];
  }
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_NEAR(dot / std::sqrt(raw_sum), 1, 1e-6);
}

TEST_F(EmbeddingsTest, RefusesWhatItCannotEmbed) {
  for (const char* bad :
       {"{}", R"({"input":7})", R"({"input":[["a"]]})", R"({"input":["a",7]})", R"({"input":[-1]})",
        R"({"input":[]})", R"({"input":[1.5]})", R"({"input":"a","embd_normalize":0})",
        R"({"input":"a","n_ctx":-1})", R"({"input":""})", R"({"input":[400]})", "x"}) {
    const Answer answer = Ask(bad);
    EXPECT_EQ(answer.status, 400) << bad << answer.body;
    EXPECT_THAT(answer.body, HasSubstr("invalid_request_error")) << bad;
  }
  const Answer longer = Ask(R"({"input":["a","abcdefghijklmnopq"]})");
  EXPECT_EQ(longer.status, 400);
  EXPECT_THAT(longer.body, HasSubstr("\"type\":\"exceed_context_size_error\""));
  EXPECT_THAT(longer.body, HasSubstr("\"n_prompt_tokens\":17,\"n_ctx\":16"));
  EXPECT_EQ(Ask(R"({"input":"abcdefghijklmnop"})").status, 200) << "the whole context";
  EXPECT_EQ(Ask(R"({"input":"abcdefghi","n_ctx":8})").status, 400);

  std::string many = R"({"input":[)";
  for (size_t i = 0; i <= (8u << 20) / kWidth; ++i) many += i == 0 ? "\"a\"" : ",\"a\"";
  EXPECT_THAT(Ask(many + "]}").body, HasSubstr("32514 texts: at most 32513"));

  Load(false);
  EXPECT_THAT(Ask(R"({"input":"a"})").body, HasSubstr("does not make embeddings"));
}

TEST_F(EmbeddingsTest, AClientThatHasGoneIsNotWaitedFor) {
  Answer answer;
  answer.leaves = true;
  ServeEmbeddings(*engine_, info_, R"({"input":["a","b","c"]})", answer);
  // Either it was cancelled at once, or the one token was computed before that.
  EXPECT_TRUE(answer.status == 499 || answer.status == 200) << answer.body;
  engine_->Stop();
  EXPECT_EQ(Ask(R"({"input":"a"})").status, 503);
}

}  // namespace
}  // namespace axollama::runner
