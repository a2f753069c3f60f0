#include "net/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/server.h"
#include "net/test_socket.h"

namespace axollama::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Accepts one connection, reads a request's head and answers with fixed bytes.
class CannedPeer {
 public:
  explicit CannedPeer(std::string answer) : listening_(*OpenTcp("127.0.0.1:0")) {
    thread_ = std::thread([this, text = std::move(answer)] {
      pollfd wait{listening_.fd, POLLIN, 0};
      ::poll(&wait, 1, 30'000);
      const int fd = ::accept(listening_.fd, nullptr, nullptr);
      std::string got;
      char bytes[4096];
      while (got.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = ::recv(fd, bytes, sizeof(bytes), 0);
        if (n <= 0) break;
        got.append(bytes, static_cast<size_t>(n));
      }
      (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      ::close(fd);
    });
  }
  ~CannedPeer() {
    thread_.join();
    ::close(listening_.fd);
  }
  Target target() const { return {listening_.address}; }

 private:
  Listening listening_;
  std::thread thread_;
};

struct Running {
  std::unique_ptr<Server> server;
  Target target;
};
Running Serve(Handler handler) {
  Running running;
  running.server = std::move(*Server::Create({}, std::move(handler)));
  running.target.address = *running.server->ListenTcp("127.0.0.1:0");
  return running;
}

TEST(Client, AsksAndIsAnswered) {
  auto s = Serve([](const Request& r, Responder& out) {
    out.SetHeader("X-Seen", r.headers.Get("X-Sent"));
    out.Send(201, "text/plain", r.method + " " + r.path + "?" + r.query + " " + r.body);
  });
  ClientRequest request{.method = "POST", .path = "/p?q=1", .body = "hello"};
  request.headers.Set("X-Sent", "yes");
  const auto response = Call(s.target, request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "POST /p?q=1 hello");
  EXPECT_EQ(response->headers.Get("x-seen"), "yes");
  const auto head = Call(s.target, {.method = "HEAD"});
  ASSERT_TRUE(head);
  EXPECT_EQ(head->body, "");
}

TEST(Client, SpeaksOverUnixSockets) {
  TestFolder folder;
  auto s = Serve([](const Request& r, Responder& out) { out.Send(200, "", r.peer); });
  const std::string path = *s.server->ListenUnix(folder.path() + "/s");
  const auto response = Call({"unix:" + path}, {});
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "unix");
  s.server->Stop(milliseconds(0));
  const auto refused = Call({"unix:" + path}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
}

TEST(Client, ReadsLinesOfAStreamAsTheyCome) {
  auto s = Serve([](const Request&, Responder& out) {
    out.Begin(200, "application/x-ndjson");
    out.Write("one\ntw");
    out.Write("o\r\n\nlast");
  });
  auto call = ClientCall::Start(s.target, {});
  ASSERT_TRUE(call);
  ASSERT_TRUE((*call)->ReadHeader());
  std::vector<std::string> lines;
  std::string line;
  for (;;) {
    const auto more = (*call)->ReadLine(&line);
    ASSERT_TRUE(more) << more.error().message;
    if (!*more) break;
    lines.push_back(line);
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "", "last"}));
}

TEST(Client, CancelEndsAWaitFromAnotherThread) {
  auto s = Serve(
      [](const Request&, Responder& out) { EXPECT_TRUE(Eventually([&] { return out.gone(); })); });
  auto call = *ClientCall::Start(s.target, {});
  std::thread canceller([&] { call->Cancel(); });
  const Status status = call->ReadHeader();
  canceller.join();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kCancelled);
  call.reset();  // the handler sees that the client has gone
}

TEST(Client, SilenceIsLimited) {
  auto s = Serve(
      [](const Request&, Responder& out) { EXPECT_TRUE(Eventually([&] { return out.gone(); })); });
  const auto response = Call(s.target, {.read_timeout = milliseconds(30)});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::kTimeout);
}

TEST(Client, NobodyThereIsUnavailable) {
  const Listening listening = *OpenTcp("127.0.0.1:0");
  ::close(listening.fd);
  for (const std::string& address : {listening.address, std::string("unix:/nowhere/socket")}) {
    const auto response = Call({address}, {});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::kUnavailable);
    EXPECT_THAT(response.error().message, HasSubstr(address));
  }
}

TEST(Client, ReadsEveryKindOfBody) {
  const struct {
    const char* answer;
    const char* body;
  } kCases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", "abc"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
       "abc"},
      {"HTTP/1.0 200 OK\r\n\r\nuntil close", "until close"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "a"},
      {"HTTP/1.1 204 No Content\r\n\r\n", ""},
  };
  for (const auto& c : kCases) {
    CannedPeer peer(c.answer);
    const auto response = Call(peer.target(), {});
    ASSERT_TRUE(response) << c.answer << response.error().message;
    EXPECT_EQ(response->body, c.body);
  }
}

TEST(Client, ABodyThatBreaksOffIsAnError) {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "HTTP/1.1 200", ""}) {
    CannedPeer peer(answer);
    const auto response = Call(peer.target(), {});
    ASSERT_FALSE(response) << answer;
    EXPECT_EQ(response.error().kind, ErrorKind::kIo) << answer;
  }
}

TEST(Client, RubbishIsInternal) {
  for (const char* answer :
       {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    CannedPeer peer(answer);
    const auto response = Call(peer.target(), {});
    ASSERT_FALSE(response) << answer;
    EXPECT_EQ(response.error().kind, ErrorKind::kInternal) << answer;
  }
}

TEST(Client, LongAnswersAreRefusedNotCut) {
  auto s = Serve([](const Request&, Responder& out) { out.Send(200, "", std::string(100, 'x')); });
  auto call = *ClientCall::Start(s.target, {});
  ASSERT_TRUE(call->ReadHeader());
  const auto body = call->ReadAll(99);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().kind, ErrorKind::kInternal);
}

TEST(Client, RequestsCannotBeForged) {
  for (const char* path : {"/a b", "/a\r\nX: y", ""}) {
    ClientRequest request;
    request.path = path;
    if (*path == '\0') request.headers.list.emplace_back("X", "a\nb");
    const auto response = Call({"127.0.0.1:1"}, request);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::kInvalid);
  }
}

}  // namespace
}  // namespace axollama::net
