#include "net/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "net/test_server.h"

namespace axollama::net {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Server, Answers) {
  auto s = Serve(Echo);
  const std::string answer = Ask(s.address, kGetClose);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nGET /a?b "));
}

TEST(Server, TellsTheHandlerWhoCalled) {
  std::string peer, local;
  bool loopback = false;
  auto s = Serve([&](const Request& r, Responder& out) {
    peer = r.peer;
    local = r.local;
    loopback = r.local_is_loopback;
    out.Send(200, "", "");
  });
  Ask(s.address, kGetClose);
  EXPECT_THAT(peer, StartsWith("127.0.0.1:"));
  EXPECT_EQ(local, s.address);
  EXPECT_TRUE(loopback);
}

TEST(Server, KeepsPipelinedRequestsInOrder) {
  auto s = Serve(Echo);
  TestSocket socket(s.address);
  std::string all;
  for (int i = 0; i < 20; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  }
  socket.Send("\r\n" + all);
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(socket.ReadThrough("? abc"), EndsWith("POST /" + std::to_string(i) + "? abc"));
  }
}

TEST(Server, ReadsRequestsByteByByte) {
  auto s = Serve(Echo);
  TestSocket socket(s.address);
  for (const char c :
       std::string("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: "
                   "close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) {
    socket.Send(std::string(1, c));
  }
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("POST /x? abcde"));
}

TEST(Server, HeadHasNoBodyButItsLength) {
  auto s = Serve(Echo);
  TestSocket socket(s.address);
  socket.Send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(socket.ReadThrough("\r\n\r\n"), HasSubstr("Content-Length: 9\r\n"));
  socket.Send(kGetClose);
  EXPECT_THAT(socket.ReadToEnd(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(Server, Http10ClosesUnlessAsked) {
  auto s = Serve(Echo);
  EXPECT_THAT(Ask(s.address, "GET /a HTTP/1.0\r\n\r\n"), EndsWith("GET /a? "));
  TestSocket socket(s.address);
  socket.Send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(socket.ReadThrough("/a? "), HasSubstr("Connection: keep-alive\r\n"));
  socket.Send("GET /b HTTP/1.0\r\n\r\n");
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("/b? "));
}

TEST(Server, ContinuesWhenExpected) {
  auto s = Serve(Echo);
  TestSocket socket(s.address);
  socket.Send(
      "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_EQ(socket.ReadThrough("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.Send("hi");
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("POST /a? hi"));
}

TEST(Server, RefusesMalformedRequestsAndCloses) {
  auto s = Serve(Echo);
  const std::string answer =
      Ask(s.address,
          "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
          "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\n{\"error\":\""));
  EXPECT_THAT(answer, EndsWith("Transfer-Encoding\"}"));
  EXPECT_THAT(Ask(s.address, std::string("GET /\0 HTTP/1.1\r\n\r\n", 19)), HasSubstr(" 400 "));
  EXPECT_THAT(Ask(s.address, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nz"),
              HasSubstr(" 400 "));
}

TEST(Server, LimitsHeaders) {
  auto s = Serve(Echo);
  const std::string fits =
      "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: " + std::string(60'000, 'x');
  EXPECT_THAT(Ask(s.address, fits + "\r\n\r\n"), HasSubstr(" 200 OK"));
  EXPECT_THAT(Ask(s.address, fits + std::string(6'000, 'y')), HasSubstr(" 431 "));
  const auto many = [](int count) {
    std::string out = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
    for (int i = 2; i < count; ++i) out += "A: b\r\n";
    out += "\r\n";
    return out;
  };
  EXPECT_THAT(Ask(s.address, many(128)), HasSubstr(" 200 OK"));
  EXPECT_THAT(Ask(s.address, many(129)), testing::AllOf(HasSubstr(" 431 "), HasSubstr("128")));
}

TEST(Server, LimitsBodiesAndSaysBothNumbers) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  auto s = Serve(Echo, options);
  EXPECT_THAT(Ask(s.address, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n" +
                                 std::string(1001, 'x')),
              testing::AllOf(HasSubstr(" 413 "), HasSubstr("1001 bytes"), HasSubstr("1000 bytes")));
  // The refusal arrives although the client goes on sending a long body.
  TestSocket socket(s.address);
  socket.Send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 200; ++i) socket.Send("400\r\n" + std::string(1024, 'x') + "\r\n");
  EXPECT_THAT(socket.ReadToEnd(), testing::AllOf(HasSubstr(" 413 "), HasSubstr("1000 bytes")));
  // A body of just the limit passes.
  EXPECT_THAT(
      Ask(s.address, "POST / HTTP/1.0\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x')),
      HasSubstr(" 200 OK"));
}

TEST(Server, RefusalsHaveTheShapeThatIsAskedFor) {
  ServerOptions options;
  options.max_body_bytes = 10;
  options.refusal_body = [](int status, std::string_view path, std::string_view) {
    return std::to_string(status) + " of [" + std::string(path) + "]";
  };
  auto s = Serve(Echo, options);
  EXPECT_THAT(Ask(s.address, "POST /a%62c HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n"),
              testing::EndsWith("\r\n\r\n413 of [/abc]"));
  EXPECT_THAT(Ask(s.address, "\x01"), testing::EndsWith("\r\n\r\n400 of []"));
}

TEST(Server, RequestsMustArriveInTime) {
  ServerOptions options;
  options.header_timeout = milliseconds(50);
  options.body_timeout = milliseconds(50);
  options.idle_timeout = milliseconds(50);
  auto s = Serve(Echo, options);
  EXPECT_THAT(Ask(s.address, "GET / HTTP/1.1\r\nHo"), HasSubstr(" 408 "));
  EXPECT_THAT(Ask(s.address, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"),
              HasSubstr(" 408 "));
  EXPECT_EQ(Ask(s.address, ""), "");  // an idle connection is just closed
}

TEST(Server, StreamsChunkByChunk) {
  Latch go_on;
  auto s = Serve([&](const Request&, Responder& out) {
    out.SetHeader("X-Evil", "a\r\nInjected: b");
    out.Begin(200, "application/x-ndjson");
    EXPECT_TRUE(out.begun());
    EXPECT_TRUE(out.Write("first\n"));
    EXPECT_TRUE(out.Write(""));
    EXPECT_TRUE(go_on.Wait());
    EXPECT_TRUE(out.Write("second\n"));
  });
  TestSocket socket(s.address);
  socket.Send(kGet);
  const std::string head = socket.ReadThrough("\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head, HasSubstr("X-Evil: a  Injected: b\r\n"));
  EXPECT_EQ(socket.ReadThrough("first\n\r\n"), "6\r\nfirst\n\r\n");
  go_on.Set();
  EXPECT_EQ(socket.ReadThrough("0\r\n\r\n"), "7\r\nsecond\n\r\n0\r\n\r\n");
  socket.Send(kGetClose);
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("0\r\n\r\n"));
}

TEST(Server, StreamsToHttp10UntilTheEnd) {
  auto s = Serve([](const Request&, Responder& out) {
    out.Begin(200, "text/plain");
    out.Write("one");
    out.Write("two");
  });
  const std::string answer = Ask(s.address, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(answer, EndsWith("\r\n\r\nonetwo"));
  EXPECT_THAT(answer, testing::Not(HasSubstr("chunked")));
}

TEST(Server, HandlersMayFail) {
  auto s = Serve([](const Request& r, Responder& out) {
    if (r.path == "/stream") {
      out.Begin(200, "text/plain");
      out.Write("part");
    }
    if (r.path == "/silent") return;
    throw std::runtime_error("on purpose");
  });
  EXPECT_THAT(Ask(s.address, kGetClose), HasSubstr(" 500 "));
  EXPECT_THAT(Ask(s.address, "GET /silent HTTP/1.0\r\n\r\n"), HasSubstr(" 500 "));
  // A stream that fails has no proper end.
  EXPECT_THAT(Ask(s.address, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n"), EndsWith("part\r\n"));
}

TEST(Server, ListensOnUnixSockets) {
  TestFolder folder;
  const std::string path = folder.path() + "/s";
  auto s = Serve(Echo);
  auto bound = s.server->ListenUnix(path);
  ASSERT_TRUE(bound) << bound.error().message;
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(Ask(path, kGetClose), HasSubstr(" 200 OK"));
  const auto again = s.server->ListenUnix(path);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::kConflict);
  s.server->Stop(milliseconds(0));
  EXPECT_NE(::stat(path.c_str(), &info), 0) << "the socket's file is left";
}

TEST(Server, ReplacesAStaleSocketButNoOtherFile) {
  TestFolder folder;
  const std::string path = folder.path() + "/s";
  const auto stale = OpenUnix(path);
  ASSERT_TRUE(stale);
  ::close(stale->fd);
  auto s = Serve(Echo);
  EXPECT_TRUE(s.server->ListenUnix(path));
  const std::string file = folder.path() + "/f";
  ::close(::creat(file.c_str(), 0600));
  const auto refused = s.server->ListenUnix(file);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  ::unlink(file.c_str());
  EXPECT_EQ(s.server->ListenUnix(std::string(200, 'x')).error().kind, ErrorKind::kInvalid);
}

TEST(Server, ListenErrorsNameTheAddress) {
  auto s = Serve(Echo);
  const auto taken = s.server->ListenTcp(s.address);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(taken.error().message, HasSubstr(s.address));
  for (const char* bad : {"127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", ""}) {
    const auto refused = s.server->ListenTcp(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid) << bad;
  }
  const auto everywhere = s.server->ListenTcp(":0");
  ASSERT_TRUE(everywhere) << everywhere.error().message;
  EXPECT_THAT(Ask(*everywhere, kGetClose), HasSubstr(" 200 OK"));
}

}  // namespace
}  // namespace axollama::net
