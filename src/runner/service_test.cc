#include "runner/service.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "base/json.h"
#include "engine/fakes.h"
#include "net/client.h"

namespace axollama::runner {
namespace {

namespace fs = std::filesystem;
using engine::FakeModel;
using engine::FakeTokenizer;

constexpr int32_t kEnd = 257;

// Stops the model before each row until the test lets it go.
class Hold {
 public:
  void Close() { Set(false); }
  void Open() { Set(true); }
  Status Pass() {
    std::unique_lock lock(mutex_);
    ++rows_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    if (slow_) changed_.wait_for(lock, std::chrono::milliseconds(50));
    return {};
  }
  // Every row takes a while from now on.
  void Slow() {
    const std::lock_guard lock(mutex_);
    slow_ = true;
  }
  void AwaitRow() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return rows_ > 0; });
  }
  int rows() {
    const std::lock_guard lock(mutex_);
    return rows_;
  }

 private:
  void Set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    rows_ = 0;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true, slow_ = false;
  int rows_ = 0;
};

class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ax-runner-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    Result<std::unique_ptr<net::Server>> server =
        net::Server::Create({}, [this](const net::Request& request, net::Responder& responder) {
          service_.Handle(request, responder);
        });
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    const Result<std::string> bound = server_->ListenUnix((folder_ / "s").string());
    ASSERT_TRUE(bound) << bound.error().message;
    target_.address = "unix:" + (folder_ / "s").string();
  }

  void TearDown() override {
    hold_.Open();
    if (engine_ != nullptr) engine_->Stop();
    server_->Stop(std::chrono::milliseconds(0));
    fs::remove_all(folder_);
  }

  // `answer` follows every prompt of `prompt_tokens` tokens; 0: pseudo-random answers.
  void Load(size_t prompt_tokens = 0, std::vector<int32_t> answer = {},
            std::vector<std::string> stop_strings = {}) {
    npu::Limits limits;
    limits.context_tokens = 64;
    limits.chunk_tokens = 8;
    limits.max_prompt_tokens = 60;
    limits.vocab = 258;
    limits.layers = 2;
    tokenizer_ = std::make_shared<FakeTokenizer>(std::vector<std::string>{},
                                                 std::vector<std::string>{"<|a|>", "<|end|>"});
    std::promise<Status> loaded;
    engine_ = std::make_unique<engine::Engine>(
        engine::Engine::Options(),
        [&](const npu::StopCheck&) -> Result<engine::Parts> {
          engine::Parts parts;
          auto model = std::make_unique<FakeModel>(
              limits, prompt_tokens == 0 ? FakeModel::LogitsOf(FakeModel::Mixed)
                                         : FakeModel::Scripted(prompt_tokens, answer, kEnd));
          model->before_row = [this]() -> Status {
            if (fail_) return Fail(ErrorKind::kDevice, "axclrtEngineExecute failed");
            return hold_.Pass();
          };
          parts.model = std::move(model);
          parts.tokenizer = tokenizer_;
          parts.eos_ids = {kEnd};
          return parts;
        },
        [&](const Status& status) { loaded.set_value(status); });
    ASSERT_TRUE(loaded.get_future().get());
    auto info = std::make_shared<ModelInfo>();
    info->folder = "/models/fake";
    info->tokenizer = tokenizer_;
    info->stop_strings = std::move(stop_strings);
    info->limits = limits;
    info->grammars =
        std::make_unique<ModelGrammars>(tokenizer_, limits.vocab, std::vector<int32_t>{kEnd});
    info->backend = "sim";
    info->card_uid = 0xab12;
    service_.SetModel(engine_.get(), std::move(info));
  }

  net::ClientResponse Call(const std::string& method, const std::string& path,
                           std::string body = "") {
    net::ClientRequest request;
    request.method = method;
    request.path = path;
    request.body = std::move(body);
    Result<net::ClientResponse> response = net::Call(target_, std::move(request));
    EXPECT_TRUE(response) << response.error().message;
    return response.value_or(net::ClientResponse());
  }

  std::unique_ptr<net::ClientCall> Begin(std::string body) {
    net::ClientRequest request;
    request.method = "POST";
    request.path = "/completion";
    request.body = std::move(body);
    Result<std::unique_ptr<net::ClientCall>> call = net::ClientCall::Start(target_, request);
    EXPECT_TRUE(call) << call.error().message;
    return std::move(*call);
  }

  template <typename Condition>
  static bool Eventually(Condition condition) {
    for (int i = 0; i < 6000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  fs::path folder_;
  net::Target target_;
  Service service_;
  std::unique_ptr<net::Server> server_;
  std::shared_ptr<FakeTokenizer> tokenizer_;
  Hold hold_;
  std::atomic<bool> fail_{false};
  std::unique_ptr<engine::Engine> engine_;
};

TEST_F(ServiceTest, LoadingThenReady) {
  const std::string_view loading =
      R"({"error":{"code":503,"message":"Loading model","type":"unavailable_error"}})";
  net::ClientResponse response = Call("GET", "/health");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, loading);
  response = Call("POST", "/completion", R"({"prompt":"a"})");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, loading);
  Load();
  response = Call("GET", "/health");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"status":"ok"})");
}

TEST_F(ServiceTest, PropsAndText) {
  Load();
  net::ClientResponse response = Call("GET", "/props");
  EXPECT_EQ(response.status, 200);
  const Result<json::Object> props = json::ParseObject(response.body, "props");
  ASSERT_TRUE(props) << response.body;
  EXPECT_EQ(json::Write(props->at("default_generation_settings")), R"({"n_ctx":64})");
  EXPECT_EQ(props->at("model_path").as_string(), "/models/fake");
  const json::Object& ours = props->at("axollama").as_object();
  EXPECT_EQ(ours.at("backend").as_string(), "sim");
  EXPECT_EQ(ours.at("card_uid").as_string(), "ab12");
  EXPECT_EQ(ours.at("n_vocab").as_int64(), 258);
  EXPECT_EQ(ours.at("max_prompt").as_int64(), 60);

  EXPECT_EQ(Call("POST", "/tokenize", R"({"content":"a<|a|>"})").body, R"({"tokens":[97,256]})");
  EXPECT_EQ(Call("POST", "/tokenize", R"({"content":"<|","parse_special":false})").body,
            R"({"tokens":[60,124]})");
  EXPECT_EQ(Call("POST", "/detokenize", R"({"tokens":[97,256]})").body, R"({"content":"a<|a|>"})");
  EXPECT_EQ(Call("POST", "/detokenize", R"({"tokens":[9999]})").status, 400);
  EXPECT_EQ(Call("POST", "/apply-template", R"({"messages":[]})").status, 400);  // it has none
  EXPECT_EQ(Call("POST", "/apply-template",
                 R"({"go_template":"<{{ .Prompt }}>","messages":[{"role":"user","content":"hi"}]})")
                .body,
            R"({"prompt":"<hi>"})");
  EXPECT_EQ(Call("POST", "/apply-template", R"({"go_template":"{{","messages":[]})").status, 400);
  EXPECT_EQ(Call("GET", "/completion").status, 405);
  EXPECT_EQ(Call("POST", "/health").status, 405);
  EXPECT_EQ(Call("GET", "/nothing").status, 404);
}

TEST_F(ServiceTest, WholeAnswer) {
  Load(2, {'h', 'i', '!'});
  const net::ClientResponse response =
      Call("POST", "/completion", R"({"prompt":"ab","temperature":0})");
  EXPECT_EQ(response.status, 200);
  const Result<json::Object> answer = json::ParseObject(response.body, "answer");
  ASSERT_TRUE(answer) << response.body;
  EXPECT_EQ(answer->at("content").as_string(), "hi!");
  EXPECT_EQ(json::Write(answer->at("tokens")), "[104,105,33]");
  EXPECT_EQ(answer->at("stop_type").as_string(), "eos");
  EXPECT_EQ(answer->at("tokens_evaluated").as_int64(), 2);
  EXPECT_EQ(answer->at("tokens_predicted").as_int64(), 4);
  EXPECT_EQ(answer->at("timings").as_object().at("prompt_n").as_int64(), 2);
}

TEST_F(ServiceTest, Stream) {
  Load(2, {'h', 'i', 0xc3, 0xa9});
  const auto call = Begin(R"({"prompt":[97,98],"temperature":0,"stream":true})");
  ASSERT_TRUE(call->ReadHeader());
  EXPECT_EQ(call->status(), 200);
  EXPECT_EQ(call->headers().Get("Content-Type"), "text/event-stream");
  std::string line, text;
  std::vector<int64_t> tokens;
  bool stopped = false;
  for (;;) {
    const Result<bool> more = call->ReadLine(&line);
    ASSERT_TRUE(more) << more.error().message;
    if (!*more) break;
    if (line.empty()) continue;
    ASSERT_TRUE(line.starts_with("data: ")) << line;
    ASSERT_FALSE(stopped) << line;
    const Result<json::Object> event = json::ParseObject(line.substr(6), "event");
    ASSERT_TRUE(event) << line;
    text += std::string(json::View(event->at("content").as_string()));
    for (const json::Value& token : event->at("tokens").as_array()) {
      tokens.push_back(token.as_int64());
    }
    stopped = event->at("stop").as_bool();
    if (stopped) {
      EXPECT_EQ(event->at("stop_type").as_string(), "eos");
    }
  }
  EXPECT_TRUE(stopped);
  EXPECT_EQ(text, "hi\xc3\xa9");
  EXPECT_EQ(tokens, (std::vector<int64_t>{'h', 'i', 0xc3, 0xa9}));
}

TEST_F(ServiceTest, GrammarsAreFollowedAndBadOnesRefused) {
  Load(1, {'h', 'i'});
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"("grammar":"a?c")", R"("content":"aic")"},
      {R"("regex":"??")", R"("content":"hi")"},
      {R"("json_schema":{})", R"("content":"{}")"},
      {R"("regex":"b","grammar_after":"hi")", R"("content":"hi\t\t\t\tb")"},
  };
  for (const auto& [field, content] : cases) {
    const net::ClientResponse response =
        Call("POST", "/completion", R"({"prompt":"x","temperature":0,)" + std::string(field) + "}");
    EXPECT_EQ(response.status, 200) << field;
    EXPECT_NE(response.body.find(content), std::string::npos) << response.body;
    EXPECT_NE(response.body.find(R"("stop_type":"eos")"), std::string::npos) << response.body;
  }
  const net::ClientResponse bad =
      Call("POST", "/completion", R"({"prompt":"x","grammar":"bad","stream":true})");
  EXPECT_EQ(bad.status, 400);
  EXPECT_NE(bad.body.find("the grammar cannot be followed"), std::string::npos) << bad.body;
}

TEST_F(ServiceTest, ProbabilitiesOfEachToken) {
  Load(1, {0xc3, 0xa9});
  const net::ClientResponse response =
      Call("POST", "/completion", R"({"prompt":"x","temperature":0,"n_probs":2})");
  const Result<json::Object> answer = json::ParseObject(response.body, "answer");
  ASSERT_TRUE(answer) << response.body;
  const json::Array& all = answer->at("completion_probabilities").as_array();
  ASSERT_EQ(all.size(), 2u);
  const json::Object& first = all[0].as_object();
  EXPECT_EQ(first.at("id").as_int64(), 0xc3);
  EXPECT_EQ(first.at("token").as_string(), "\xef\xbf\xbd");  // half a character
  EXPECT_EQ(json::Write(first.at("bytes")), "[195]");
  // One logit is 10, 257 are 0.
  EXPECT_NEAR(first.at("logprob").as_double(), 10 - std::log(std::exp(10.0) + 257), 1e-5);
  const json::Array& top = first.at("top_logprobs").as_array();
  ASSERT_EQ(top.size(), 2u);
  EXPECT_EQ(top[0].as_object().at("id").as_int64(), 0xc3);
  EXPECT_EQ(top[1].as_object().at("id").as_int64(), 0);
  // In a stream each event has those of its own tokens.
  const std::string stream =
      Call("POST", "/completion",
           R"({"prompt":"x","temperature":0,"n_probs":1,"stream":true,"n_predict":2})")
          .body;
  EXPECT_NE(stream.find(R"("tokens":[195,169],"completion_probabilities":[{"id":195,)"),
            std::string::npos)
      << stream;
}

TEST_F(ServiceTest, StopStringsOfRequestAndBundle) {
  Load(2, {'a', 'b', 'c', 'd'}, {"cd"});
  net::ClientResponse response = Call("POST", "/completion", R"({"prompt":"xy","temperature":0})");
  Result<json::Object> answer = json::ParseObject(response.body, "answer");
  ASSERT_TRUE(answer) << response.body;
  EXPECT_EQ(answer->at("content").as_string(), "ab");
  EXPECT_EQ(answer->at("stopping_word").as_string(), "cd");
  response = Call("POST", "/completion", R"({"prompt":"xy","temperature":0,"stop":["bc"]})");
  answer = json::ParseObject(response.body, "answer");
  ASSERT_TRUE(answer) << response.body;
  EXPECT_EQ(answer->at("content").as_string(), "a");
  EXPECT_EQ(answer->at("stop_type").as_string(), "word");
}

TEST_F(ServiceTest, AStopThatIsASpecialToken) {
  Load(2, {'a', 256, 'b'});
  const net::ClientResponse response =
      Call("POST", "/completion", R"({"prompt":"xy","temperature":0,"stop":["<|a|>"]})");
  const Result<json::Object> answer = json::ParseObject(response.body, "answer");
  ASSERT_TRUE(answer) << response.body;
  EXPECT_EQ(answer->at("content").as_string(), "a");
  EXPECT_EQ(answer->at("stopping_word").as_string(), "<|a|>");
}

TEST_F(ServiceTest, APreservedTokenGivesItsText) {
  Load(2, {'a', 256, 'b'});
  const net::ClientResponse response =
      Call("POST", "/completion",
           R"({"prompt":"xy","temperature":0,"preserved_tokens":["<|a|>","<|none|>"]})");
  const Result<json::Object> answer = json::ParseObject(response.body, "answer");
  ASSERT_TRUE(answer) << response.body;
  EXPECT_EQ(answer->at("content").as_string(), "a<|a|>b");
}

TEST_F(ServiceTest, AFullContextEndsTheAnswerOrIsShifted) {
  Load();
  const auto complete = [&](const char* more) {
    const net::ClientResponse response =
        Call("POST", "/completion",
             R"({"prompt":"abcdef","temperature":0,"ignore_eos":true,"n_predict":100,"n_ctx":32)" +
                 std::string(more) + "}");
    return json::ParseObject(response.body, "answer").value_or(json::Object());
  };
  const json::Object ended = complete("");
  EXPECT_EQ(ended.at("tokens_predicted").as_int64(), 26);
  EXPECT_EQ(ended.at("stop_type").as_string(), "limit");
  EXPECT_FALSE(ended.at("truncated").as_bool());
  const json::Object shifted = complete(R"(,"context_shift":true,"n_keep":2)");
  EXPECT_EQ(shifted.at("tokens_predicted").as_int64(), 100);
  EXPECT_TRUE(shifted.at("truncated").as_bool());
  const net::ClientResponse response =
      Call("POST", "/completion", R"({"prompt":"abcdef","n_ctx":6})");
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("\"n_ctx\":6"), std::string::npos) << response.body;
}

TEST_F(ServiceTest, TheSameSeedGivesTheSameText) {
  Load();
  auto tokens = [&](const std::string& seed) {
    const net::ClientResponse response =
        Call("POST", "/completion",
             R"({"prompt":"hello","n_predict":12,"ignore_eos":true,"seed":)" + seed + "}");
    const Result<json::Object> answer = json::ParseObject(response.body, "answer");
    EXPECT_TRUE(answer) << response.body;
    return answer ? json::Write(answer->at("tokens")) : "";
  };
  const std::string first = tokens("5");
  EXPECT_NE(tokens("6"), first);
  EXPECT_EQ(tokens("5"), first);
  EXPECT_NE(tokens("-1"), tokens("-1"));
}

TEST_F(ServiceTest, BadRequests) {
  Load();
  net::ClientResponse response = Call("POST", "/completion", "{");
  EXPECT_EQ(response.status, 400);
  response = Call("POST", "/completion", R"({"prompt":"a","top_k":"x"})");
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("\\\"top_k\\\""), std::string::npos) << response.body;
  EXPECT_NE(response.body.find("invalid_request_error"), std::string::npos);
  response = Call("POST", "/completion", R"({"prompt":""})");
  EXPECT_EQ(response.status, 400);
  response = Call("POST", "/completion", R"({"prompt":[1,999]})");
  EXPECT_EQ(response.status, 400);
  response = Call("POST", "/completion", R"({"prompt":")" + std::string(64, 'x') + R"("})");
  EXPECT_EQ(response.status, 400);
  const Result<json::Object> body = json::ParseObject(response.body, "error");
  ASSERT_TRUE(body) << response.body;
  const json::Object& error = body->at("error").as_object();
  EXPECT_EQ(error.at("type").as_string(), "exceed_context_size_error");
  EXPECT_EQ(error.at("n_prompt_tokens").as_int64(), 64);
  EXPECT_EQ(error.at("n_ctx").as_int64(), 64);
}

TEST_F(ServiceTest, ADeviceErrorBeforeTheFirstByteIsAStatus) {
  Load();
  fail_ = true;
  const net::ClientResponse response =
      Call("POST", "/completion", R"({"prompt":"abc","stream":true})");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(
      response.body,
      R"({"error":{"code":500,"message":"axclrtEngineExecute failed","type":"device_error"}})");
  fail_ = false;
  EXPECT_EQ(Call("POST", "/completion", R"({"prompt":"abc","n_predict":2})").status, 200);
}

TEST_F(ServiceTest, ADeviceErrorInTheStreamIsItsLastLine) {
  Load(2, std::vector<int32_t>(40, 'a'));
  hold_.Slow();
  const auto call = Begin(R"({"prompt":"xy","temperature":0,"stream":true})");
  ASSERT_TRUE(call->ReadHeader());
  std::string line;
  ASSERT_TRUE(call->ReadLine(&line));
  hold_.Close();
  hold_.AwaitRow();
  fail_ = true;
  hold_.Open();
  std::string last;
  for (;;) {
    const Result<bool> more = call->ReadLine(&line);
    ASSERT_TRUE(more) << more.error().message;
    if (!*more) break;
    if (!line.empty()) last = line;
  }
  EXPECT_EQ(last, R"(data: {"error":{"code":500,"message":"axclrtEngineExecute failed",)"
                  R"("type":"device_error"}})");
}

TEST_F(ServiceTest, AClientThatLeavesTheQueueIsForgotten) {
  Load();
  hold_.Close();
  auto running = Begin(R"({"prompt":"abc","n_predict":3,"ignore_eos":true})");
  hold_.AwaitRow();
  auto waiting = Begin(R"({"prompt":"xyz","n_predict":3})");
  ASSERT_TRUE(Eventually([&] { return engine_->waiting() == 1; }));
  waiting.reset();
  EXPECT_TRUE(Eventually([&] { return engine_->waiting() == 0; }));
  hold_.Open();
  ASSERT_TRUE(running->ReadHeader());
  EXPECT_EQ(running->status(), 200);
}

TEST_F(ServiceTest, AClientThatLeavesStopsItsAnswer) {
  Load();
  hold_.Slow();
  auto call = Begin(R"({"prompt":"abc","stream":true,"ignore_eos":true})");
  hold_.AwaitRow();
  call.reset();
  const net::ClientResponse response =
      Call("POST", "/completion", R"({"prompt":"abc","n_predict":1,"ignore_eos":true})");
  EXPECT_EQ(response.status, 200);
  // The first one would have gone on to the end of the context.
  EXPECT_LT(hold_.rows(), 60);
}

TEST_F(ServiceTest, WhenTheRunnerEndsTheStreamSaysSo) {
  Load(2, std::vector<int32_t>(40, 'a'));
  hold_.Slow();
  const auto call = Begin(R"({"prompt":"xy","temperature":0,"stream":true})");
  ASSERT_TRUE(call->ReadHeader());
  std::string line;
  ASSERT_TRUE(call->ReadLine(&line));
  hold_.Close();
  hold_.AwaitRow();
  std::thread stopper([&] { engine_->Stop(); });
  const auto refused = [&] {
    return !engine_->Submit(engine::Request{.tokens = {1}}) &&
           engine_->Submit(engine::Request{.tokens = {1}}).error().kind == ErrorKind::kUnavailable;
  };
  EXPECT_TRUE(Eventually(refused));
  hold_.Open();
  std::string last;
  while (call->ReadLine(&line).value_or(false)) {
    if (!line.empty()) last = line;
  }
  stopper.join();
  EXPECT_NE(last.find("the runner is ending"), std::string::npos) << last;
}

}  // namespace
}  // namespace axollama::runner
