// Bodies that the handler reads as they arrive.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "net/test_server.h"

namespace axollama::net {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

ServerOptions Options() {
  ServerOptions options;
  options.max_body_bytes = 10;
  options.max_streamed_bytes = 1'000'000;
  options.streams_body = [](std::string_view method, std::string_view path) {
    return method == "POST" && path == "/stream";
  };
  return options;
}

// Answers with the body's size and what was wrong with it.
void Count(const Request& request, Responder& out) {
  size_t bytes = 0;
  const Status read = request.ReadBody([&](std::string_view piece) -> Status {
    bytes += piece.size();
    return {};
  });
  out.Send(200, "", std::to_string(bytes) + (read ? " good" : " " + read.error().message));
}

const std::string kHead = "POST /stream HTTP/1.1\r\nHost: h\r\n";

TEST(StreamedBody, MayBeLargerThanThoseThatAreHeld) {
  auto s = Serve(Count, Options());
  const std::string body(700'000, 'x');
  const std::string answer = Ask(s.address, kHead + "Content-Length: 700000\r\n\r\n" + body);
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("700000 good"));
  EXPECT_THAT(Ask(s.address, "POST /held HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Ask(s.address,
                  "POST /held HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                  "Content-Length: 3\r\n\r\nabc"),
              EndsWith("3 good"));
}

TEST(StreamedBody, ArrivesInPieces) {
  auto s = Serve(Count, Options());
  TestSocket socket(s.address);
  socket.Send(kHead + "Content-Length: 6\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(socket.ReadThrough("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue"));
  for (const char c : std::string("abcdef")) socket.Send(std::string(1, c));
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("6 good"));
}

// The server was told to look for more while the first request was handled.
TEST(StreamedBody, IsItsHandlersThoughItsHeadCameEarly) {
  for (int round = 0; round < 20; ++round) {
    Latch begun, go, has_some;
    auto s = Serve(
        [&](const Request& request, Responder& out) {
          if (request.path == "/first") {
            begun.Set();
            go.Wait();
            return out.Send(200, "", "one");
          }
          std::string body;
          const Status read = request.ReadBody([&](std::string_view piece) -> Status {
            body += piece;
            has_some.Set();
            return {};
          });
          out.Send(200, "", body + (read ? " good" : " " + read.error().message));
        },
        Options());
    TestSocket socket(s.address);
    socket.Send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(begun.Wait());
    socket.Send(kHead + "Content-Length: 6\r\n\r\nab");
    std::this_thread::sleep_for(milliseconds(5));  // it is read, most likely
    go.Set();
    ASSERT_TRUE(has_some.Wait());
    for (const char c : std::string("cdef")) socket.Send(std::string(1, c));
    ASSERT_THAT(socket.ReadToEnd(), EndsWith("abcdef good")) << round;
  }
}

TEST(StreamedBody, MayBeChunked) {
  auto s = Serve(Count, Options());
  const std::string head = kHead + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_THAT(Ask(s.address, head + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), EndsWith("5 good"));
  EXPECT_THAT(Ask(s.address, head + "zz\r\n"), HasSubstr("malformed chunked body"));
  const std::string large(400'000, 'x');
  std::string chunks;
  for (int i = 0; i < 3; ++i) chunks += "61a80\r\n" + large + "\r\n";
  EXPECT_THAT(Ask(s.address, head + chunks + "0\r\n\r\n"), HasSubstr("over the limit of 1000000"));
}

TEST(StreamedBody, IsRefusedBeforeItComesWhenItIsTooLarge) {
  auto s = Serve(Count, Options());
  EXPECT_THAT(Ask(s.address, kHead + "Content-Length: 1000001\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST(StreamedBody, ThatEndsEarlyIsSaid) {
  auto s = Serve(Count, Options());
  TestSocket socket(s.address);
  socket.Send(kHead + "Content-Length: 6\r\n\r\nabc");
  socket.EndSending();
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("3 the request's body ended early"));
}

TEST(StreamedBody, WaitsOnlySoLong) {
  ServerOptions options = Options();
  options.pause_timeout = milliseconds(1);
  auto s = Serve(Count, options);
  TestSocket socket(s.address);
  socket.Send(kHead + "Content-Length: 6\r\n\r\nabc");
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("3 the request's body did not arrive in time"));
}

TEST(StreamedBody, ThatDripsIsGivenUp) {
  ServerOptions options = Options();
  options.pause_timeout = milliseconds(500);
  options.pause_bytes = 1000;
  auto s = Serve(Count, options);
  TestSocket socket(s.address);
  socket.Send(kHead + "Content-Length: 1000000\r\n\r\n");
  std::atomic<bool> ended{false};
  // A byte now and then, each long before the time is over, for as long as the server takes them.
  std::thread drip([&] {
    while (!ended) {
      socket.Send("x");
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  EXPECT_THAT(socket.ReadThrough("in time"), HasSubstr("did not arrive in time"));
  ended = true;
  drip.join();
}

TEST(StreamedBody, ThatKeepsComingIsNot) {
  ServerOptions options = Options();
  options.pause_timeout = milliseconds(60'000);
  options.pause_bytes = 10;
  auto s = Serve(Count, options);
  TestSocket socket(s.address);
  socket.Send(kHead + "Content-Length: 2000\r\n\r\n");
  for (int i = 0; i < 200; ++i) socket.Send("0123456789");
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("2000 good"));
}

TEST(StreamedBody, LeftUnreadEndsTheConnection) {
  auto s = Serve([](const Request&, Responder& out) { out.Send(200, "", "no need"); }, Options());
  TestSocket socket(s.address);
  socket.Send(kHead + "Content-Length: 6\r\n\r\nGET / ");
  const std::string answer = socket.ReadToEnd();
  EXPECT_THAT(answer, EndsWith("no need"));
  EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos);
}

TEST(StreamedBody, DoesNotHoldUpTheEndOfTheServer) {
  Latch begun, ended;
  auto s = Serve(
      [&](const Request& request, Responder&) {
        begun.Set();
        const Status read = request.ReadBody([](std::string_view) -> Status { return {}; });
        if (!read) ended.Set();
      },
      Options());
  TestSocket socket(s.address);
  socket.Send(kHead + "Content-Length: 6\r\n\r\nabc");
  ASSERT_TRUE(begun.Wait());
  s.server->Stop(milliseconds(0));
  EXPECT_TRUE(ended.Wait());
}

}  // namespace
}  // namespace axollama::net
