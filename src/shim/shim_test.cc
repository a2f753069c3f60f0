#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>

#include "net/test_server.h"
#include "shim/arguments.h"
#include "shim/forward.h"
#include "shim/stub.h"

namespace axollama::shim {
namespace {

using net::Request;
using net::Responder;
using testing::HasSubstr;

TEST(ArgumentsTest, AreOllamas) {
  const Arguments given =
      ReadArguments({"--model", "/m/sha256-1", "--port", "4711", "--host", "127.0.0.1",
                     "--no-webui", "--offline", "-c", "8192", "-np", "2", "--log-verbosity", "4",
                     "--context-shift", "-t", "4", "-ngl", "99"});
  EXPECT_EQ(given.model, "/m/sha256-1");
  EXPECT_EQ(given.port, "4711");
  EXPECT_EQ(given.context_tokens, 4096);
  EXPECT_TRUE(given.shift);
  EXPECT_FALSE(given.list_devices);
  EXPECT_TRUE(ReadArguments({"--list-devices", "--offline"}).list_devices);
  const Arguments odd = ReadArguments({"-c", "x", "-np", "0", "--model"});
  EXPECT_EQ(odd.context_tokens, 0);
  EXPECT_EQ(odd.model, "");
}

class StubTest : public testing::Test {
 protected:
  StubTest() {
    std::string name = std::filesystem::temp_directory_path() / "ax-shim-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~StubTest() override { std::filesystem::remove_all(folder_); }

  template <typename T>
  static std::string Bytes(T value) {
    std::string out(sizeof(value), '\0');
    std::memcpy(out.data(), &value, sizeof(value));
    return out;
  }
  static std::string Text(std::string_view text) {
    return Bytes(uint64_t{text.size()}) + std::string(text);
  }
  static std::string Head(std::string_view key, uint32_t type) {
    return "GGUF" + Bytes(uint32_t{3}) + Bytes(uint64_t{0}) + Bytes(uint64_t{1}) + Text(key) +
           Bytes(type);
  }
  Result<std::optional<std::string>> Read(const std::string& bytes) {
    const auto file = folder_ / "stub";
    std::ofstream(file, std::ios::binary) << bytes;
    return ReadStub(file);
  }

  std::filesystem::path folder_;
};

TEST_F(StubTest, NamesItsModel) {
  EXPECT_EQ(Read(Head("axollama.model", 8) + Text("qwen3:4b")).value(), "qwen3:4b");
}

TEST_F(StubTest, OtherFilesAreNone) {
  for (const std::string& bytes :
       {std::string(), std::string("GGUF"), std::string("no GGUF at all, but long enough"),
        Head("general.architecture", 8) + Text("qwen3"), Head("axollama.model", 4),
        Head("axollama.model", 8).substr(0, 30)}) {
    EXPECT_EQ(Read(bytes).value(), std::nullopt);
  }
  EXPECT_FALSE(Read(Head("axollama.model", 8) + Bytes(uint64_t{1} << 60) + "x").has_value());
  EXPECT_FALSE(ReadStub(folder_ / "nothing").has_value());
}

// The shim between a client and what stands for `axollama serve`.
struct Shim {
  explicit Shim(net::Handler there) : back(net::Serve(std::move(there))) {
    net::Headers headers;
    headers.Set("X-Axollama-Model", "m");
    forward = std::make_unique<Forward>(net::Target{back.address}, headers,
                                        [this](const std::string& why) {
                                          std::lock_guard lock(mutex);
                                          died = why;
                                        });
    front = net::Serve(
        [this](const Request& request, Responder& out) { forward->Handle(request, out); });
  }
  net::ClientResponse Ask(const std::string& method, const std::string& path,
                          const std::string& body = "") {
    net::ClientRequest request;
    request.method = method;
    request.path = path;
    request.body = body;
    return net::Call({front.address}, std::move(request)).value_or(net::ClientResponse());
  }

  std::mutex mutex;
  std::string died;
  std::unique_ptr<Forward> forward;
  net::Running back, front;
};

TEST(ForwardTest, IsHealthyOnceTheModelIsLoaded) {
  Shim shim(net::Echo);
  EXPECT_EQ(shim.Ask("GET", "/health").status, 503);
  EXPECT_THAT(shim.Ask("GET", "/health").body, HasSubstr("\"Loading model\""));
  shim.forward->SetReady();
  EXPECT_EQ(shim.Ask("GET", "/health").body, R"({"status":"ok"})");
  EXPECT_EQ(shim.Ask("POST", "/slots").status, 404);
  EXPECT_EQ(shim.Ask("GET", "/completion").status, 405);
}

TEST(ForwardTest, PassesRequestsAndAnswersOn) {
  Shim shim([](const Request& request, Responder& out) {
    out.Send(request.body == "bad" ? 400 : 200, "text/plain",
             request.path + " " + std::string(request.headers.Get("X-Axollama-Model")) + " " +
                 request.body);
  });
  EXPECT_EQ(shim.Ask("POST", "/tokenize", "{}").body, "/internal/llama/tokenize m {}");
  const net::ClientResponse bad = shim.Ask("POST", "/completion", "bad");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.body, "/internal/llama/completion m bad");
}

TEST(ForwardTest, StreamsEndAsTheyDidThere) {
  Shim shim([](const Request& request, Responder& out) {
    out.Begin(200, "text/event-stream");
    out.Write("data: {\"content\":\"a\"}\n\n");
    if (request.body == "break") throw std::runtime_error("the connection ends here");
    if (request.body == "fail") out.Write("data: {\"error\":\"the card is \\\"gone\\\"\"}\n\n");
  });
  EXPECT_EQ(shim.Ask("POST", "/completion", "go").body, "data: {\"content\":\"a\"}\n\n");
  EXPECT_EQ(shim.died, "");
  // Ollama reads an `error` of a conversation and of nothing else.
  EXPECT_THAT(shim.Ask("POST", "/v1/chat/completions", "fail").body, HasSubstr("gone"));
  EXPECT_EQ(shim.died, "");
  shim.Ask("POST", "/completion", "fail");
  EXPECT_EQ(shim.died, "the card is \"gone\"");
  shim.Ask("POST", "/completion", "break");
  EXPECT_THAT(shim.died, HasSubstr("broke off"));
}

}  // namespace
}  // namespace axollama::shim
