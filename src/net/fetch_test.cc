#include "net/fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <thread>

#include "net/test_server.h"

namespace axollama::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class FetchTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }

  // Loopback stands for the internet here.
  static FetchOptions Open() {
    FetchOptions options;
    options.allow_private = true;
    return options;
  }
  static std::unique_ptr<Fetcher> Make(FetchOptions options = Open()) {
    return std::move(*Fetcher::Create(std::move(options)));
  }
  static FetchRequest Get(const Running& peer, const std::string& path) {
    FetchRequest request;
    request.url = "http://" + peer.address + path;
    return request;
  }
};

TEST_F(FetchTest, MethodHeadersAndBodyArrive) {
  const Running peer = Serve([](const Request& request, Responder& out) {
    out.SetHeader("X-Was", request.headers.Get("X-Is"));
    out.Send(request.method == "POST" ? 201 : 200, "text/plain",
             request.method + " " + request.path + " " + request.body + " " +
                 std::string(request.headers.Get("Content-Type")));
  });
  FetchRequest request = Get(peer, "/a%20b");
  request.method = "POST";
  request.headers.list = {{"Content-Type", "application/json"}, {"X-Is", "this"}};
  request.body = "{}";
  const auto fetcher = Make();
  const auto answer = FetchAll(*fetcher, request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->head.status, 201);
  EXPECT_EQ(answer->head.headers.Get("x-was"), "this");
  EXPECT_EQ(answer->body, "POST /a b {} application/json");
  request.method = "HEAD";
  request.body.clear();
  const auto head = FetchAll(*fetcher, request);
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->head.status, 200);
  EXPECT_EQ(head->body, "");
}

TEST_F(FetchTest, AStreamComesAsItIsWritten) {
  Latch first;
  const Running peer = Serve([&](const Request&, Responder& out) {
    out.Begin(200, "text/plain");
    out.Write("one\n");
    first.Wait();
    out.Write("two\n");
  });
  FetchRequest request = Get(peer, "/");
  std::string got;
  request.on_body = [&](std::string_view bytes) -> Status {
    got += bytes;
    first.Set();  // the second line is written only when the first has arrived
    return {};
  };
  const Status done = Make()->Run(request);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(got, "one\ntwo\n");
}

TEST_F(FetchTest, TheTokenGoesToTheFirstOriginAlone) {
  std::string at_other = "unset";
  const Running other = Serve([&](const Request& request, Responder& out) {
    at_other = request.headers.Get("Authorization");
    out.Send(200, "text/plain", "file");
  });
  std::string at_first;
  const Running peer = Serve([&](const Request& request, Responder& out) {
    at_first = request.headers.Get("Authorization");
    if (request.path == "/here") return out.Send(200, "text/plain", "here");
    out.SetHeader("Location", request.path == "/own" ? "/here" : "http://" + other.address + "/x");
    out.Send(302, "text/plain", "moved");
  });
  const auto fetcher = Make();
  FetchRequest request = Get(peer, "/own");
  request.bearer = "secret";
  EXPECT_EQ(FetchAll(*fetcher, request)->body, "here");
  EXPECT_EQ(at_first, "Bearer secret");
  request.url = "http://" + peer.address + "/away";
  EXPECT_EQ(FetchAll(*fetcher, request)->body, "file");
  EXPECT_EQ(at_other, "");
}

TEST_F(FetchTest, RedirectsHaveAnEnd) {
  int asked = 0;
  const Running peer = Serve([&](const Request&, Responder& out) {
    ++asked;
    out.SetHeader("Location", "/again");
    out.Send(307, "text/plain", "");
  });
  const auto fetcher = Make();
  const auto answer = FetchAll(*fetcher, Get(peer, "/"));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("redirects without an end"));
  EXPECT_EQ(asked, 9);
  // What was posted is not posted elsewhere: the redirect is the answer.
  FetchRequest post = Get(peer, "/");
  post.method = "POST";
  EXPECT_EQ(FetchAll(*fetcher, post)->head.status, 307);
}

TEST_F(FetchTest, WhatIsNotAllowedIsNotAsked) {
  int asked = 0;
  const Running peer = Serve([&](const Request& request, Responder& out) {
    ++asked;
    out.SetHeader("Location", request.query);
    out.Send(302, "text/plain", "");
  });
  const auto error = [&](FetchOptions options, const std::string& url) {
    FetchRequest request;
    request.url = url;
    const auto answer = FetchAll(*Make(std::move(options)), request);
    return answer ? "none" : answer.error().message;
  };
  const std::string here = "http://" + peer.address;
  EXPECT_THAT(error({}, here), HasSubstr("private network"));
  EXPECT_THAT(error({}, "http://localhost:1/"), HasSubstr("private network"));
  EXPECT_THAT(error({}, "http://0x7f.1:1/"), HasSubstr("private network"));
  EXPECT_THAT(error({}, "https://[::ffff:127.0.0.1]/"), HasSubstr("private network"));
  FetchOptions named = Open();
  named.hosts = {"huggingface.co", ".hf.co"};
  EXPECT_THAT(error(named, here), HasSubstr("not one of the hosts that may be asked"));
  EXPECT_EQ(asked, 0);
  named.hosts = {"127.0.0.1"};
  EXPECT_THAT(error(named, here + "/?http://127.0.0.2:9/"), HasSubstr("not one of the hosts"));
  EXPECT_THAT(error(Open(), here + "/?http://198.51.100.1/"), HasSubstr("without encryption"));
  EXPECT_THAT(error(Open(), here + "/?file:///etc/passwd"), HasSubstr("neither http nor https"));
  EXPECT_THAT(error(Open(), here + "/?https://u:p@hf.co/"), HasSubstr("name or password"));
  EXPECT_THAT(error(Open(), here + "/?https://hf.co./"), HasSubstr("names no host"));
  EXPECT_THAT(error(Open(), here + "/?https://hf.co:0/"), HasSubstr("port 0"));
  EXPECT_THAT(error(Open(), "gopher://hf.co"), HasSubstr("the URL"));
  EXPECT_THAT(error(Open(), ""), HasSubstr("the URL"));
}

// libcurl reads the environment by rules of its own. Where it saw no proxy and we do, it would
// connect to an address that nobody has checked.
TEST_F(FetchTest, WhetherAProxyIsAskedIsDecidedHere) {
  std::string asked;
  const Running proxy = Serve([&](const Request& request, Responder& out) {
    asked = request.path;
    out.Send(200, "text/plain", "by proxy");
  });
  const std::pair<const char*, std::string> variables[] = {
      {"HTTP_PROXY", "http://" + proxy.address}, {"NO_PROXY", "other.test"}, {"no_proxy", "*"}};
  for (const auto& [name, value] : variables) setenv(name, value.c_str(), 1);
  FetchOptions options;
  options.insecure = true;
  const auto fetcher = Make(options);
  for (const auto& [name, value] : variables) unsetenv(name);
  FetchRequest request;
  request.url = "http://hub.test/file";
  const auto answer = FetchAll(*fetcher, request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "by proxy");
  EXPECT_EQ(asked, "/file");
}

TEST_F(FetchTest, HostsMatchExactlyOrBelow) {
  const std::vector<std::string> hosts = {"hf.co", ".cdn.co"};
  EXPECT_TRUE(HostAllowed(hosts, "hf.co"));
  EXPECT_FALSE(HostAllowed(hosts, "a.hf.co"));
  EXPECT_FALSE(HostAllowed(hosts, "evilhf.co"));
  EXPECT_TRUE(HostAllowed(hosts, "a.cdn.co"));
  EXPECT_FALSE(HostAllowed(hosts, ".cdn.co"));
  EXPECT_FALSE(HostAllowed(hosts, "cdn.co"));
  EXPECT_TRUE(HostAllowed({}, "any"));
}

TEST_F(FetchTest, ABodyOverTheLimitEndsTheRequest) {
  const Running peer = Serve([](const Request&, Responder& out) {
    out.Begin(200, "text/plain");
    while (out.Write(std::string(4096, 'x'))) continue;
  });
  FetchRequest request = Get(peer, "/");
  request.max_body_bytes = 10'000;
  size_t got = 0;
  request.on_body = [&](std::string_view bytes) -> Status {
    got += bytes.size();
    return {};
  };
  const Status done = Make()->Run(request);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::kInternal);
  EXPECT_LE(got, 10'000u);
}

TEST_F(FetchTest, CancelEndsARequestAndEveryLaterOne) {
  Latch arrived, done;
  const Running peer = Serve([&](const Request&, Responder&) {
    arrived.Set();
    done.Wait();
  });
  const auto fetcher = Make();
  std::thread canceller([&] {
    arrived.Wait();
    fetcher->Cancel();
  });
  const Status status = fetcher->Run(Get(peer, "/"));
  canceller.join();
  done.Set();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(fetcher->Run(Get(peer, "/")).error().kind, ErrorKind::kCancelled);
}

TEST_F(FetchTest, SilenceEndsARequest) {
  Latch done;
  const Running peer = Serve([&](const Request&, Responder& out) {
    out.Begin(200, "text/plain");
    out.Write("x");
    done.Wait();
  });
  FetchOptions options = Open();
  options.stall_timeout = milliseconds(50);
  const Status status = Make(options)->Run(Get(peer, "/"));
  done.Set();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kTimeout);
}

TEST_F(FetchTest, FailuresSayWhatFailed) {
  FetchRequest request;
  request.url = "http://127.0.0.1:1/";
  const Status refused = Make()->Run(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("cannot reach 127.0.0.1:1"));
  const Running peer = Serve([](const Request&, Responder& out) { out.Send(200, "", "x"); });
  request = Get(peer, "/");
  request.on_head = [](const FetchHead&) -> Status {
    return Fail(ErrorKind::kConflict, "no thanks");
  };
  EXPECT_EQ(Make()->Run(request).error().message, "no thanks");
  request = Get(peer, "/");
  request.headers.Set("X", "a\r\nInjected: b");
  EXPECT_EQ(Make()->Run(request).error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace axollama::net
