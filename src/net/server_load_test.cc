// Clients that leave, stop reading, or come in numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "net/test_server.h"

namespace axollama::net {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST(ServerLoad, AClientThatOnlyStoppedSendingIsNotGone) {
  Latch entered, answer;
  std::atomic<bool> called{false};
  auto s = Serve([&](const Request&, Responder& out) {
    out.OnGone([&] { called = true; });
    entered.Set();
    EXPECT_TRUE(answer.Wait());
    EXPECT_FALSE(out.gone());
    out.Send(200, "text/plain", "still here");
  });
  TestSocket socket(s.address);
  socket.Send(kGet);
  EXPECT_TRUE(entered.Wait());
  socket.EndSending();
  // What the server sends to find out is the beginning of the answer.
  EXPECT_EQ(socket.ReadThrough("HTTP/1.1 "), "HTTP/1.1 ");
  answer.Set();
  const std::string rest = socket.ReadToEnd();
  EXPECT_THAT(rest, StartsWith("200 OK\r\n"));
  EXPECT_THAT(rest, EndsWith("still here"));
  EXPECT_FALSE(called);
}

TEST(ServerLoad, PipelinedRequestsBeforeTheEndOfSendingAreAnswered) {
  auto s = Serve(Echo);
  TestSocket socket(s.address);
  socket.Send(std::string(kGet) + std::string(kGet));
  socket.EndSending();
  const std::string all = socket.ReadToEnd();
  EXPECT_NE(all.find("GET /a?b "), all.rfind("GET /a?b "));
}

enum class Leave { kClose, kReset };
class ServerGone : public testing::TestWithParam<std::tuple<Leave, bool, bool>> {};

TEST_P(ServerGone, IsNoticedWhileTheHandlerWorks) {
  const auto [leave, streaming, unix_socket] = GetParam();
  TestFolder folder;
  Latch entered, gone, checked;
  Handler handler = [&, streams = streaming](const Request&, Responder& out) {
    if (streams) {
      out.Begin(200, "text/plain");
      out.Write("token");
    }
    out.OnGone([&] { gone.Set(); });
    entered.Set();
    if (streams) {
      EXPECT_TRUE(Eventually([&] { return !out.Write("token"); }));
    }
    EXPECT_TRUE(gone.Wait());
    EXPECT_TRUE(out.gone());
    EXPECT_FALSE(out.Write("more"));
    checked.Set();
  };
  auto s = Serve(std::move(handler));
  if (unix_socket) s.address = *s.server->ListenUnix(folder.path() + "/s");
  TestSocket socket(s.address);
  socket.Send(kGet);
  ASSERT_TRUE(entered.Wait());
  if (leave == Leave::kReset) {
    socket.Reset();
  } else {
    socket.Close();
  }
  EXPECT_TRUE(checked.Wait());
  s.server->Stop(milliseconds(0));
}

INSTANTIATE_TEST_SUITE_P(Ways, ServerGone,
                         testing::Combine(testing::Values(Leave::kClose, Leave::kReset),
                                          testing::Bool(), testing::Bool()));

TEST(ServerLoad, OnGoneIsCalledAlsoWhenItIsSetTooLate) {
  Latch entered, called;
  auto s = Serve([&](const Request&, Responder& out) {
    entered.Set();
    EXPECT_TRUE(Eventually([&] { return out.gone(); }));
    out.OnGone([&] { called.Set(); });
    EXPECT_TRUE(called.Wait());
    out.OnGone(nullptr);
  });
  TestSocket socket(s.address);
  socket.Send(kGet);
  ASSERT_TRUE(entered.Wait());
  socket.Close();
  EXPECT_TRUE(called.Wait());
}

TEST(ServerLoad, OnGoneWithNullWaitsForACallUnderWay) {
  Latch entered, in_call, finish;
  std::atomic<bool> call_over{false};
  auto s = Serve([&](const Request&, Responder& out) {
    out.OnGone([&] {
      in_call.Set();
      EXPECT_TRUE(finish.Wait());
      call_over = true;
    });
    entered.Set();
    EXPECT_TRUE(in_call.Wait());
    finish.Set();
    out.OnGone(nullptr);
    EXPECT_TRUE(call_over);
  });
  TestSocket socket(s.address);
  socket.Send(kGet);
  ASSERT_TRUE(entered.Wait());
  socket.Close();
  EXPECT_TRUE(in_call.Wait());
  s.server->Stop(kTestLimit);
}

TEST(ServerLoad, AReaderThatStopsBlocksTheWriterAndThenEndsIt) {
  ServerOptions options;
  options.stream_timeout = milliseconds(100);
  Latch ended;
  std::atomic<uint64_t> written{0};
  auto s = Serve(
      [&](const Request&, Responder& out) {
        out.Begin(200, "text/plain");
        const std::string chunk(64u << 10, 'x');
        while (out.Write(chunk)) written += chunk.size();
        EXPECT_TRUE(out.gone());
        ended.Set();
      },
      options);
  TestSocket socket(s.address, 4096);
  socket.Send(kGet);
  EXPECT_TRUE(ended.Wait());
  EXPECT_LT(written, 4u << 20);  // what the kernel holds for a peer is bounded
}

// It takes a few bytes all the time, but never enough to make room.
TEST(ServerLoad, AReaderThatOnlySipsIsNoReason) {
  ServerOptions options;
  options.stream_timeout = milliseconds(200);
  Latch ended;
  auto s = Serve(
      [&](const Request&, Responder& out) {
        out.Begin(200, "text/plain");
        const std::string chunk(64u << 10, 'x');
        while (out.Write(chunk)) {
        }
        ended.Set();
      },
      options);
  TestSocket socket(s.address, 4096);
  socket.Send(kGet);
  std::atomic<bool> over{false};
  std::thread sips([&] {
    while (!over && socket.Sip()) std::this_thread::sleep_for(milliseconds(5));
  });
  EXPECT_TRUE(ended.Wait());
  over = true;
  sips.join();
}

TEST(ServerLoad, OneSlowReaderHoldsUpNobodyElse) {
  Latch blocked;
  auto s = Serve([&](const Request& request, Responder& out) {
    if (request.path != "/slow") return Echo(request, out);
    out.Begin(200, "text/plain");
    const std::string chunk(64u << 10, 'x');
    for (int i = 0; i < 64; ++i) {
      if (i == 1) blocked.Set();
      if (!out.Write(chunk)) break;
    }
  });
  TestSocket slow(s.address, 4096);
  slow.Send("GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(blocked.Wait());
  for (int i = 0; i < 50; ++i) EXPECT_THAT(Ask(s.address, kGetClose), HasSubstr(" 200 OK"));
  EXPECT_THAT(slow.ReadToEnd(), EndsWith("0\r\n\r\n"));
}

TEST(ServerLoad, ASlowReaderGetsEverything) {
  constexpr size_t kBytes = 16u << 20;
  auto s = Serve([](const Request&, Responder& out) {
    out.Send(200, "text/plain", std::string(kBytes, 'x'));
  });
  TestSocket socket(s.address, 4096);
  socket.Send(kGetClose);
  const std::string answer = socket.ReadToEnd();
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, kBytes);
}

TEST(ServerLoad, MoreHandlersThanAllowedAreRefused) {
  ServerOptions options;
  options.max_active = 2;
  Latch go_on;
  std::atomic<int> active{0};
  auto s = Serve(
      [&](const Request&, Responder& out) {
        ++active;
        EXPECT_TRUE(go_on.Wait());
        out.Send(200, "text/plain", "done");
      },
      options);
  TestSocket first(s.address), second(s.address), third(s.address);
  first.Send(kGetClose);
  second.Send(kGetClose);
  ASSERT_TRUE(Eventually([&] { return active == 2; }));
  third.Send(kGet);
  EXPECT_THAT(third.ReadThrough("}"), testing::AllOf(HasSubstr(" 503 "), HasSubstr("Retry-After"),
                                                     HasSubstr("server busy")));
  go_on.Set();
  EXPECT_THAT(first.ReadToEnd(), EndsWith("done"));
  EXPECT_THAT(second.ReadToEnd(), EndsWith("done"));
  ASSERT_TRUE(Eventually([&] {
    third.Send(kGet);  // the refused connection is still good
    return third.ReadThrough("\r\n\r\n").find(" 200 ") != std::string::npos;
  }));
}

TEST(ServerLoad, BodiesTogetherHaveALimit) {
  constexpr size_t kBody = 3u << 20;
  ServerOptions options;
  options.max_bodies_bytes = 16u << 20;  // 8 MiB for one address, of which 6 for long ones
  Latch go_on;
  std::atomic<int> active{0};
  auto s = Serve(
      [&](const Request&, Responder& out) {
        ++active;
        EXPECT_TRUE(go_on.Wait());
        out.Send(200, "text/plain", "done");
      },
      options);
  const auto post = [](size_t bytes) {
    return "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: " +
           std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'x');
  };
  TestSocket first(s.address), second(s.address), small(s.address), last(s.address);
  first.Send(post(kBody));
  second.Send(post(kBody));
  ASSERT_TRUE(Eventually([&] { return active == 2; }));
  EXPECT_THAT(Ask(s.address, post(kBody)),
              testing::AllOf(HasSubstr(" 503 "), HasSubstr("too much is being sent"),
                             HasSubstr("Retry-After: ")));
  small.Send(post(1u << 20));  // short ones have room yet
  ASSERT_TRUE(Eventually([&] { return active == 3; }));
  last.Send(post(1u << 20));
  ASSERT_TRUE(Eventually([&] { return active == 4; }));
  EXPECT_THAT(Ask(s.address, post(1000)), HasSubstr(" 503 "));  // but no more than there is
  go_on.Set();
  for (TestSocket* socket : {&first, &second, &small, &last}) {
    EXPECT_THAT(socket->ReadToEnd(), EndsWith("done"));
  }
  // What was answered makes room.
  EXPECT_THAT(Ask(s.address, post(kBody)), EndsWith("done"));
}

TEST(ServerLoad, IdleConnectionsMakeRoomForNewOnes) {
  ServerOptions options;
  options.max_connections = 4;
  auto s = Serve(Echo, options);
  std::vector<std::unique_ptr<TestSocket>> idle;
  for (int i = 0; i < 8; ++i) idle.push_back(std::make_unique<TestSocket>(s.address));
  EXPECT_THAT(Ask(s.address, kGetClose), HasSubstr(" 200 OK"));
  EXPECT_EQ(idle.front()->ReadToEnd(), "");
}

TEST(ServerLoad, OneAddressDoesNotTakeEveryConnection) {
  ServerOptions options;
  options.max_connections = 100;
  options.max_connections_per_address = 3;
  Latch go_on;
  std::atomic<int> active{0};
  auto s = Serve(
      [&](const Request&, Responder& out) {
        ++active;
        EXPECT_TRUE(go_on.Wait());
        out.Send(200, "text/plain", "done");
      },
      options);
  std::vector<std::unique_ptr<TestSocket>> busy;
  for (int i = 0; i < 3; ++i) {
    busy.push_back(std::make_unique<TestSocket>(s.address));
    busy.back()->Send(kGet);
  }
  ASSERT_TRUE(Eventually([&] { return active == 3; }));
  EXPECT_THAT(TestSocket(s.address).ReadToEnd(),
              testing::AllOf(HasSubstr(" 503 "), HasSubstr("too many connections")));
  go_on.Set();
  for (auto& socket : busy) EXPECT_THAT(socket->ReadThrough("done"), HasSubstr(" 200 OK"));
  // Its own connections that wait for nothing make room.
  EXPECT_TRUE(
      Eventually([&] { return Ask(s.address, kGetClose).find(" 200 OK") != std::string::npos; }));
}

TEST(ServerLoad, HoldsManyIdleConnections) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const size_t count = std::min<rlim_t>(limit.rlim_cur / 4, 2000);
  auto s = Serve(Echo);
  std::vector<std::unique_ptr<TestSocket>> idle;
  for (size_t i = 0; i < count; ++i) idle.push_back(std::make_unique<TestSocket>(s.address));
  for (auto& socket : idle) {
    ASSERT_TRUE(socket->connected());
    socket->Send(kGetClose);
    ASSERT_THAT(socket->ReadToEnd(), HasSubstr(" 200 OK"));
  }
}

TEST(ServerLoad, SurvivesRunningOutOfDescriptors) {
  auto s = Serve(Echo);
  // The client's socket takes the last descriptor, so the server's accept finds none.
  const int next = ::dup(0);
  const int highest = next >= 0 ? next : 256;
  if (next >= 0) ::close(next);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  std::vector<int> filler;
  tight.rlim_cur = static_cast<rlim_t>(highest) + 40;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  int fd = -1;
  while ((fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0) filler.push_back(fd);
  ASSERT_FALSE(filler.empty());
  ::close(filler.back());
  filler.pop_back();
  TestSocket socket(s.address);
  EXPECT_TRUE(socket.connected());
  socket.Send(kGetClose);
  for (const int f : filler) ::close(f);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(socket.ReadToEnd(), HasSubstr(" 200 OK"));
}

TEST(ServerLoad, StopLetsHandlersFinishThenEndsThem) {
  Latch entered;
  std::atomic<bool> saw_gone{false};
  auto s = Serve([&](const Request& r, Responder& out) {
    if (r.path == "/quick") {
      out.Send(200, "text/plain", "quick");
      return;
    }
    out.Begin(200, "text/plain");
    entered.Set();
    saw_gone = Eventually([&] { return out.gone(); });
  });
  TestSocket idle(s.address);
  TestSocket stuck(s.address);
  stuck.Send(kGet);
  ASSERT_TRUE(entered.Wait());
  s.server->Stop(milliseconds(20));
  EXPECT_TRUE(saw_gone);
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_FALSE(TestSocket(s.address).connected());
  EXPECT_FALSE(s.server->ListenTcp("127.0.0.1:0"));
}

}  // namespace
}  // namespace axollama::net
