#include "server/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace axollama::server {
namespace {

using std::chrono::seconds;

constexpr seconds kLong{60};

ChildOptions Shell(const std::string& script) {
  ChildOptions options;
  options.program = "/bin/sh";
  options.arguments = {"sh", "-c", script};
  return options;
}

std::string ReadAll(int fd) {
  std::string out;
  char chunk[4096];
  ssize_t got;
  while ((got = read(fd, chunk, sizeof(chunk))) > 0) out.append(chunk, static_cast<size_t>(got));
  return out;
}

TEST(Child, TellsItsExitStatusAndLastError) {
  std::atomic<int> ends{0};
  auto child = Child::Start(
      Shell("echo 'error: first' >&2; echo words >&2; printf 'error: last one' >&2; exit 3"),
      [&] { ++ends; });
  ASSERT_TRUE(child) << child.error().message;
  ASSERT_TRUE((*child)->WaitFor(kLong));
  EXPECT_EQ((*child)->exit_code(), 3);
  EXPECT_EQ((*child)->EndText(), "exit status 3");
  EXPECT_EQ((*child)->last_error(), "last one");
  child->reset();
  EXPECT_EQ(ends, 1);
}

TEST(Child, TellsTheSignalThatEndedIt) {
  auto child = Child::Start(Shell("exec sleep 1000"));
  ASSERT_TRUE(child);
  EXPECT_FALSE((*child)->exited());
  (*child)->Signal(SIGKILL);
  ASSERT_TRUE((*child)->WaitFor(kLong));
  EXPECT_TRUE((*child)->killed_by_signal());
  EXPECT_EQ((*child)->exit_code(), -1);
  EXPECT_NE((*child)->EndText().find("signal 9"), std::string::npos);
}

TEST(Child, DestructorEndsIt) {
  auto child = Child::Start(Shell("trap '' TERM; exec sleep 1000"));
  ASSERT_TRUE(child);
  const pid_t pid = (*child)->pid();
  child->reset();
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(Child, AProgramThatIsNotThereIsAnError) {
  ChildOptions options;
  options.program = "/nowhere/program";
  options.arguments = {"program"};
  const auto child = Child::Start(std::move(options));
  ASSERT_FALSE(child);
  EXPECT_NE(child.error().message.find("/nowhere/program"), std::string::npos);
}

TEST(Child, GetsItsPipesAndNothingElse) {
  // A descriptor without close-on-exec, as Asio's sockets are.
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd stray(fcntl(null.get(), F_DUPFD, 3));  // standard input may be closed
  ASSERT_GE(stray.get(), 3);
  auto in = Pipe::Make();
  auto out = Pipe::Make();
  auto life = Pipe::Make();
  ASSERT_TRUE(in && out && life);
  ChildOptions options = Shell(
      "read line; echo \"got $line\"; n=0; while [ $n -lt 100 ]; do "
      "if [ -e /proc/$$/fd/$n ]; then echo $n; fi; n=$((n+1)); done");
  options.stdin_fd = in->read.get();
  options.stdout_fd = out->write.get();
  options.descriptors = {life->read.get()};
  auto child = Child::Start(std::move(options));
  ASSERT_TRUE(child);
  out->write.Reset();
  ASSERT_EQ(write(in->write.get(), "hello\n", 6), 6);
  EXPECT_EQ(ReadAll(out->read.get()), "got hello\n0\n1\n2\n3\n");
  EXPECT_TRUE((*child)->WaitFor(kLong));
}

TEST(Child, NoticesTheEndOfItsLifeline) {
  auto life = Pipe::Make();
  ASSERT_TRUE(life);
  ChildOptions options = Shell("cat <&3; exit 7");
  options.descriptors = {life->read.get()};
  auto child = Child::Start(std::move(options));
  ASSERT_TRUE(child);
  life->read.Reset();
  EXPECT_FALSE((*child)->exited());
  life->write.Reset();
  ASSERT_TRUE((*child)->WaitFor(kLong));
  EXPECT_EQ((*child)->exit_code(), 7);
}

TEST(Child, RunsInAGroupOfItsOwnWithSignalsAsUsual) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  auto child = Child::Start(Shell("exec sleep 1000"));
  ASSERT_TRUE(child);
  EXPECT_EQ(getpgid((*child)->pid()), (*child)->pid());
  (*child)->Signal(SIGTERM);
  EXPECT_TRUE((*child)->WaitFor(kLong));
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

// In a process of its own: closing standard input and a small limit would disturb other tests.
TEST(Child, WorksWithClosedStdinAndFewDescriptors) {
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    close(0);
    const rlimit limit{64, 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    KeepStandardDescriptors();
    auto life = Pipe::Make();
    if (!life) _exit(1);
    ChildOptions options = Shell("read line || cat <&3");
    options.descriptors = {life->read.get()};
    auto child = Child::Start(std::move(options));
    if (!child) _exit(2);
    life->write.Reset();
    if (!(*child)->WaitFor(kLong)) _exit(3);
    const int code = (*child)->exit_code();
    child->reset();
    _exit(code == 0 ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace axollama::server
