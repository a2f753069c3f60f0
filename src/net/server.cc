#include "net/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <future>
#include <thread>

#include "base/log.h"
#include "net/connection.h"
#include "net/listen.h"

namespace axollama::net {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr int kAcceptsAtOnce = 64;

// A client that lost its power or its network says no goodbye: it is asked after a minute of
// silence, and given up when for two it takes nothing of what was sent.
constexpr int kAskAfterSeconds = 60;
constexpr int kAskAgainSeconds = 15;
constexpr int kAskTimes = 4;
constexpr int kGiveUpMs = 120'000;

void SetTcpOptions(int fd) {
  const auto set = [fd](int level, int name, int value) {
    ::setsockopt(fd, level, name, &value, sizeof(value));
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_SNDBUF, kSendBufferBytes);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kAskAfterSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kAskAgainSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kAskTimes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kGiveUpMs);
}

// Connections must leave descriptors for files, pipes and children.
uint32_t AffordableConnections(uint32_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
  const uint64_t files = limit.rlim_cur;
  const uint64_t affordable = files > 128 ? files - 64 - files / 8 : files / 2;
  return static_cast<uint32_t>(std::min<uint64_t>(wanted, std::max<uint64_t>(affordable, 4)));
}

class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(Core* core, Listening listening, uint32_t max_connections)
      : core_(core),
        listening_(std::move(listening)),
        max_connections_(max_connections),
        socket_(core->io, listening_.fd),
        pause_(core->io) {}

  void Arm() {
    if (!socket_.is_open()) return;
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         if (!error) self->AcceptAll();
                       });
  }

  void Close() {
    if (!socket_.is_open()) return;
    RemoveUnix(listening_);
    boost::system::error_code ignored;
    socket_.close(ignored);
    pause_.cancel();
  }

 private:
  bool tcp() const { return listening_.inode == 0; }

  void AcceptAll() {
    for (int i = 0; i < kAcceptsAtOnce && socket_.is_open(); ++i) {
      // Asked first, since without a free descriptor accept fails also when nobody waits.
      if (!SomebodyWaits()) break;
      const bool full = core_->connections.size() >= max_connections_;
      if (full && !core_->idle.empty() && !CloseLongestIdle()) {
        Pause();
        return;
      }
      sockaddr_storage address{};
      socklen_t size = sizeof(address);
      const int fd = ::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&address),
                               &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          if (!short_of_files_) {
            log::Warn("net", "cannot accept connections on {}: {}", listening_.address,
                      ErrnoText(errno));
          }
          short_of_files_ = true;
          CloseLongestIdle();
          Pause();
          return;
        }
        continue;  // that client has gone already
      }
      short_of_files_ = false;
      Accepted(fd, address);
    }
    Arm();
  }

  bool SomebodyWaits() {
    pollfd wait{socket_.native_handle(), POLLIN, 0};
    return ::poll(&wait, 1, 0) > 0;
  }

  // Room for others. One that came just now keeps its place: its request may be on the way.
  bool CloseLongestIdle() {
    if (core_->idle.empty()) return false;
    Connection& longest = *core_->idle.front();
    if (std::chrono::steady_clock::now() - longest.idle_since() < kAcceptPause / 2) return false;
    longest.Close();
    return true;
  }

  // One address may not take every connection. Counted only once it could have too many.
  bool HasPlaceFor(const sockaddr_storage& address) {
    const uint32_t limit = core_->options.max_connections_per_address == 0
                               ? std::max(max_connections_ / 2, 1u)
                               : core_->options.max_connections_per_address;
    if (!tcp() || core_->connections.size() < limit) return true;
    const std::string client = ClientOf(AddressText(address));
    const auto is_same = [&](const Connection& connection) {
      return connection.client() == client;
    };
    size_t count = 0;
    for (const auto& connection : core_->connections) count += is_same(*connection) ? 1 : 0;
    if (count < limit) return true;
    for (Connection* idle : core_->idle) {
      if (!is_same(*idle)) continue;
      idle->Close();
      return true;
    }
    return false;
  }

  void Accepted(int fd, const sockaddr_storage& address) {
    if (core_->connections.size() >= max_connections_ || !HasPlaceFor(address)) {
      const std::string body = ErrorBody("server busy, please try again.  too many connections");
      const std::string answer =
          BuildHead(503, "application/json; charset=utf-8", static_cast<int64_t>(body.size()),
                    false, false, {{"Retry-After", "1"}}) +
          body;
      (void)::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(fd);
      return;
    }
    if (tcp()) SetTcpOptions(fd);
    std::shared_ptr<Connection> connection;
    try {
      connection = std::make_shared<Connection>(core_, fd, tcp() ? AddressText(address) : "unix",
                                                listening_.address, listening_.loopback, tcp());
      core_->connections.insert(connection);
      connection->Start();
    } catch (const std::exception& e) {  // epoll refused the descriptor, or memory ran out
      log::Warn("net", "connection refused: {}", e.what());
      if (!connection) ::close(fd);
    }
  }

  // Clients stay in the kernel's queue meanwhile.
  void Pause() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
      if (!cancelled) self->AcceptAll();
    });
  }

  Core* const core_;
  const Listening listening_;
  const uint32_t max_connections_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer pause_;
  bool short_of_files_ = false;  // said in the log once, not ten times a second
};

class ServerImpl final : public Server {
 public:
  ServerImpl(const ServerOptions& options, Handler handler)
      : max_connections_(AffordableConnections(options.max_connections)),
        core_(options, std::move(handler)),
        work_(asio::make_work_guard(core_.io)) {
    // Signals are the program's own affair: this thread, and those of the pool, which are made by
    // it, block them all.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([this] { Run(); });
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~ServerImpl() override { Stop(std::chrono::milliseconds(0)); }

  Result<std::string> ListenTcp(std::string_view address) override {
    return Listen(OpenTcp(address));
  }
  Result<std::string> ListenUnix(const std::string& path) override {
    return Listen(OpenUnix(path));
  }

  void Stop(std::chrono::milliseconds grace) override {
    if (!thread_.joinable()) return;
    OnThread([this] {
      core_.stopping = true;
      for (const auto& acceptor : acceptors_) acceptor->Close();
      acceptors_.clear();
      ForAll([](Connection& c) { c.CloseUnlessHandling(); });
    });
    if (!core_.pool.WaitIdle(grace)) {
      OnThread([this] { ForAll([](Connection& c) { c.Close(); }); });
    }
    core_.pool.Drain();
    // The answers' ends were posted before the pool ran dry, and close their connections; those
    // that linger are closed here.
    OnThread([this] { ForAll([](Connection& c) { c.CloseUnlessHandling(); }); });
    work_.reset();
    thread_.join();
  }

 private:
  void Run() {
    for (;;) {
      try {
        core_.io.run();
        return;
      } catch (const std::exception& e) {
        log::Error("net", "in the server's thread: {}", e.what());
      }
    }
  }

  template <typename F>
  void OnThread(F f) {
    std::promise<void> done;
    asio::post(core_.io, [&] {
      try {
        f();
      } catch (const std::exception& e) {
        log::Error("net", "in the server's thread: {}", e.what());
      }
      done.set_value();
    });
    done.get_future().wait();
  }

  template <typename F>
  void ForAll(F f) {
    const auto connections = core_.connections;  // Close changes the set
    for (const auto& connection : connections) f(*connection);
  }

  Result<std::string> Listen(Result<Listening> listening) {
    if (!listening) return Fail(std::move(listening).error());
    if (!thread_.joinable()) {
      RemoveUnix(*listening);
      ::close(listening->fd);
      return Fail(ErrorKind::kConflict, "the server has stopped");
    }
    std::string address = listening->address;
    Status status;
    OnThread([&] {
      try {
        auto acceptor = std::make_shared<Acceptor>(&core_, std::move(*listening), max_connections_);
        acceptors_.push_back(acceptor);
        acceptor->Arm();
      } catch (const std::exception& e) {
        status = Fail(ErrorKind::kIo, fmt::format("cannot listen on {}: {}", address, e.what()));
      }
    });
    AX_RETURN_IF_ERROR(status);
    return address;
  }

  const uint32_t max_connections_;
  Core core_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;  // the server's thread
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::Create(ServerOptions options, Handler handler) try {
  return std::make_unique<ServerImpl>(options, std::move(handler));
} catch (const std::exception& e) {
  return Fail(ErrorKind::kIo, fmt::format("cannot start the HTTP server: {}", e.what()));
}

}  // namespace axollama::net
