#include "upstream/upstream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "net/client.h"
#include "net/test_server.h"
#include "upstream/url.h"

namespace axollama::upstream {
namespace {

using net::Latch;
using net::Request;
using net::Responder;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string ErrorBody(int status, std::string_view message) {
  return std::to_string(status) + ": " + std::string(message);
}

// A server of ours in front of another one, as axollama stands in front of Ollama.
struct Front {
  explicit Front(net::Handler there) : back(net::Serve(std::move(there))) { Open(back.address); }
  explicit Front(const std::string& address) { Open(address); }

  void Open(const std::string& address) {
    upstream = std::make_unique<Upstream>("http://" + address);
    front = net::Serve([this](const Request& request, Responder& out) {
      if (!upstream->MayAsk(request)) return out.Send(404, "text/plain", "not passed on");
      upstream->PassOn(request, request.path, "m", ErrorBody, out);
    });
  }
  std::unique_ptr<net::ClientCall> Start(const std::string& path, std::string body,
                                         net::Headers headers = {}) {
    net::ClientRequest request;
    request.method = "POST";
    request.path = path;
    request.headers = std::move(headers);
    request.body = std::move(body);
    auto call = net::ClientCall::Start({front.address}, std::move(request));
    EXPECT_TRUE(call.has_value());
    EXPECT_TRUE((*call)->ReadHeader().has_value());
    return std::move(*call);
  }

  std::unique_ptr<Upstream> upstream;  // outlives the servers
  net::Running back, front;
};

TEST(UpstreamUrlTest, IsMadeWhole) {
  EXPECT_EQ(ParseUrl("10.0.0.5"), "http://10.0.0.5:11434");
  EXPECT_EQ(ParseUrl("http://pi.local:8080/"), "http://pi.local:8080");
  EXPECT_EQ(ParseUrl("https://gate.example/ollama/"), "https://gate.example:443/ollama");
  EXPECT_EQ(ParseUrl(":11500"), "http://127.0.0.1:11500");
  EXPECT_EQ(ParseUrl("http://[::1]:11500"), "http://[::1]:11500");
}

TEST(UpstreamUrlTest, WhatIsNoneIsRefused) {
  for (const char* text : {"ftp://host", "http://host?x=1", "http://host#x", "http://a b",
                           "http://host:99999", "http://host\\x"}) {
    EXPECT_FALSE(ParseUrl(text).has_value()) << text;
  }
  const auto secret = ParseUrl("http://me:hunter2@host");
  ASSERT_FALSE(secret.has_value());
  EXPECT_THAT(secret.error().message, Not(HasSubstr("hunter2")));
}

TEST(UpstreamTest, LinesComeWholeAndAtOnce) {
  Latch read;
  Front front([&](const Request&, Responder& out) {
    out.Begin(200, "application/x-ndjson");
    out.Write("{\"n\":1}\n{\"n\"");
    read.Wait();
    out.Write(":2}\n");
  });
  const auto call = front.Start("/api/chat", "{}");
  EXPECT_EQ(call->status(), 200);
  EXPECT_EQ(call->headers().Get("Content-Type"), "application/x-ndjson");
  std::string line;
  ASSERT_TRUE(call->ReadLine(&line).value_or(false));
  EXPECT_EQ(line, "{\"n\":1}");
  read.Set();
  ASSERT_TRUE(call->ReadLine(&line).value_or(false));
  EXPECT_EQ(line, "{\"n\":2}");
  EXPECT_FALSE(call->ReadLine(&line).value_or(true));
}

TEST(UpstreamTest, EventsComeWhole) {
  Front front([](const Request&, Responder& out) {
    out.Begin(200, "text/event-stream");
    out.Write("event: a\ndata: 1\n");
    out.Write("\nevent: b\r\ndata: 2\r\n\r\n");
  });
  EXPECT_EQ(front.Start("/v1/messages", "{}")->ReadAll().value_or(""),
            "event: a\ndata: 1\n\nevent: b\r\ndata: 2\r\n\r\n");
}

TEST(UpstreamTest, AnEndMayComeByteByByte) {
  const std::string events = "data: a\r\n\r\ndata: b\n\ndata: c\r\n\r\n";
  Front front([&](const Request&, Responder& out) {
    out.Begin(200, "text/event-stream");
    for (const char c : events) out.Write({&c, 1});
  });
  const auto call = front.Start("/v1/chat/completions", "{}");
  EXPECT_EQ(*call->ReadAll(), events);
}

TEST(UpstreamTest, ErrorsAreAsTheyWere) {
  Front front([](const Request&, Responder& out) {
    out.SetHeader("Retry-After", "7");
    out.SetHeader("X-Secret", "s");
    out.Send(503, "application/json; charset=utf-8", "{\"error\":\"server busy\"}");
  });
  const auto call = front.Start("/api/chat", "{}");
  EXPECT_EQ(call->status(), 503);
  EXPECT_EQ(call->headers().Get("Retry-After"), "7");
  EXPECT_EQ(call->headers().Get("X-Secret"), "");
  EXPECT_EQ(call->ReadAll().value_or(""), "{\"error\":\"server busy\"}");
}

TEST(UpstreamTest, WhatTheClientShowsOfItselfStaysHere) {
  Front front([](const Request& request, Responder& out) {
    std::string all = request.method + " " + request.path + "?" + request.query + "\n";
    for (const auto& [name, value] : request.headers.list) all += name + ": " + value + "\n";
    out.Send(200, "text/plain", all + request.body);
  });
  net::Headers headers;
  for (const char* name : {"Authorization", "x-api-key", "Cookie", "Origin", "X-Forwarded-For"}) {
    headers.Set(name, "secret");
  }
  const std::string seen =
      front.Start("/api/chat?key=secret", "{\"a\":1}", headers)->ReadAll().value_or("");
  EXPECT_THAT(seen, HasSubstr("POST /api/chat?\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(seen, HasSubstr("{\"a\":1}"));
  EXPECT_THAT(seen, Not(HasSubstr("secret")));
}

TEST(UpstreamTest, AChainThatLeadsBackEnds) {
  Front front("127.0.0.1:1");
  front.upstream = std::make_unique<Upstream>("http://" + front.front.address);
  const auto call = front.Start("/api/chat", "{}");
  EXPECT_EQ(call->status(), 404);
  EXPECT_EQ(call->ReadAll().value_or(""), "not passed on");
  net::Headers far;
  far.Set("X-Axollama-Via", "a,b,c,d");
  EXPECT_EQ(front.Start("/api/chat", "{}", far)->status(), 404);
}

TEST(UpstreamTest, ThatIsNotThereIsOneClearError) {
  std::string address = net::Serve(net::Echo).address;  // closed again
  Front front(address);
  const auto call = front.Start("/api/chat", "{}");
  EXPECT_EQ(call->status(), 502);
  EXPECT_THAT(call->ReadAll().value_or(""),
              HasSubstr("502: model 'm' is not here, and the upstream Ollama at http://" + address +
                        " does not serve it: cannot reach " + address));
}

TEST(UpstreamTest, AStreamThatBreaksOffEndsWithAnError) {
  Front front([](const Request& request, Responder& out) {
    const bool events = request.path.starts_with("/v1");
    out.Begin(200, events ? "text/event-stream" : "application/x-ndjson");
    out.Write(events ? "data: 1\n\ndata: 2" : "{\"n\":1}\n{\"n\":");
    throw std::runtime_error("the connection ends here");
  });
  const std::string error = "502: model 'm' is not here";
  EXPECT_THAT(front.Start("/api/chat", "{}")->ReadAll().value_or(""),
              StartsWith("{\"n\":1}\n" + error));
  EXPECT_THAT(front.Start("/v1/chat/completions", "{}")->ReadAll().value_or(""),
              StartsWith("data: 1\n\ndata: " + error));
  const std::string named = front.Start("/v1/messages", "{}")->ReadAll().value_or("");
  EXPECT_THAT(named, StartsWith("data: 1\n\nevent: error\ndata: " + error));
  EXPECT_THAT(named, HasSubstr("broke off"));
}

TEST(UpstreamTest, AClientThatGoesEndsTheWorkThere) {
  Latch gone;
  Front front([&](const Request&, Responder& out) {
    out.Begin(200, "application/x-ndjson");
    while (out.Write("{}\n")) {
    }
    gone.Set();
  });
  auto call = front.Start("/api/chat", "{}");
  std::string line;
  ASSERT_TRUE(call->ReadLine(&line).value_or(false));
  call.reset();
  EXPECT_TRUE(gone.Wait());
}

TEST(UpstreamTest, ShutdownEndsWhatIsUnderWay) {
  Latch come, gone;
  Front front([&](const Request&, Responder& out) {
    out.OnGone([&] { gone.Set(); });
    come.Set();
    EXPECT_TRUE(gone.Wait());
    out.OnGone(nullptr);
  });
  std::thread end([&] {
    come.Wait();
    front.upstream->BeginShutdown();
  });
  const auto call = front.Start("/api/chat", "{}");
  end.join();
  EXPECT_EQ(call->status(), 502);
  EXPECT_THAT(call->ReadAll().value_or(""), HasSubstr("this server is shutting down"));
}

TEST(UpstreamTest, ListsWhatThereIs) {
  // A client has its answer before the server's thread is done with it.
  std::mutex mutex;
  std::string body;
  int status = 200;
  auto back = net::Serve([&](const Request& request, Responder& out) {
    std::unique_lock lock(mutex);
    const int code = request.path == "/api/tags" ? status : 404;
    const std::string text = body;
    lock.unlock();
    out.Send(code, "application/json", text);
  });
  Upstream upstream("http://" + back.address);
  auto front = net::Serve([&](const Request& request, Responder& out) {
    out.Send(200, "", json::Write(upstream.List(request, "/api/tags", "models", out)));
  });
  const auto ask = [&](int code, std::string text) {
    {
      const std::lock_guard lock(mutex);
      status = code;
      body = std::move(text);
    }
    return net::Call({front.address}, {}).value_or(net::ClientResponse()).body;
  };
  EXPECT_EQ(ask(200, R"({"models":[{"name":"a"},1]})"), R"([{"name":"a"},1])");
  EXPECT_EQ(ask(200, R"({"models":null})"), "[]");
  EXPECT_EQ(ask(200, R"({"models":{}})"), "[]");
  EXPECT_EQ(ask(200, "no JSON"), "[]");
  EXPECT_EQ(ask(500, R"({"models":[{"name":"a"}]})"), "[]");
}

TEST(UpstreamTest, SaysWhetherItHasAModel) {
  auto back = net::Serve([](const Request& request, Responder& out) {
    out.Send(request.body == R"({"model":"a"})" ? 200 : 404, "application/json", "{}");
  });
  Upstream upstream("http://" + back.address);
  auto front = net::Serve([&](const Request& request, Responder& out) {
    out.Send(upstream.Has(request, request.body, out) ? 200 : 404, "", "");
  });
  net::ClientRequest request;
  request.method = "POST";
  request.body = "a";
  EXPECT_EQ(net::Call({front.address}, request)->status, 200);
  request.body = "b";
  EXPECT_EQ(net::Call({front.address}, request)->status, 404);
}

}  // namespace
}  // namespace axollama::upstream
