#include "server/runtime_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "server/test_folder.h"

namespace axollama::server {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

TEST(RuntimeFolder, IsPrivateAndGoesWithItsOwner) {
  const TestFolder place;
  auto folder = RuntimeFolder::Open(place.path() / "run", milliseconds(0));
  ASSERT_TRUE(folder) << folder.error().message;
  struct stat info{};
  ASSERT_EQ(stat((place.path() / "run").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  const auto a = (*folder)->NewRunner();
  const auto b = (*folder)->NewRunner();
  EXPECT_NE(a.socket, b.socket);
  EXPECT_LT(a.socket.size(), sizeof(sockaddr_un::sun_path));
  folder->reset();
  EXPECT_TRUE(fs::is_empty(place.path() / "run"));
}

TEST(RuntimeFolder, SocketsStayShortInADeepFolder) {
  const TestFolder place;
  const fs::path deep = place.path() / std::string(120, 'd');
  auto folder = RuntimeFolder::Open(deep, milliseconds(0));
  ASSERT_TRUE(folder) << folder.error().message;
  const auto files = (*folder)->NewRunner();
  EXPECT_LT(files.socket.size(), sizeof(sockaddr_un::sun_path));
  const fs::path sockets = fs::path(files.socket).parent_path();
  EXPECT_TRUE(fs::exists(sockets));
  folder->reset();
  EXPECT_FALSE(fs::exists(sockets));
}

TEST(RuntimeFolder, RemovesWhatADeadServerLeft) {
  const TestFolder place;
  const fs::path stale = place.path() / "serve-1";
  fs::create_directory(stale);
  std::ofstream(stale / "lock") << "";
  std::ofstream(stale / "r1.progress") << "x";
  auto folder = RuntimeFolder::Open(place.path(), milliseconds(0));
  ASSERT_TRUE(folder);
  EXPECT_FALSE(fs::exists(stale));
}

TEST(RuntimeFolder, WaitsForAndThenKillsTheRunnersOfADeadServer) {
  const TestFolder place;
  const fs::path stale = place.path() / "serve-1";
  fs::create_directory(stale);
  auto life = Pipe::Make();
  ASSERT_TRUE(life);
  ChildOptions options;
  options.program = "/bin/sh";
  options.descriptors = {life->read.get()};
  // Its command line names a file in the stale folder, as a runner's does.
  options.arguments = {"sh", "-c", "trap '' TERM; read line <&3", (stale / "r1.progress").string()};
  auto runner = Child::Start(std::move(options));
  ASSERT_TRUE(runner);
  std::ofstream(stale / "r1.pid") << (*runner)->pid();
  // Of a number that belongs to another program by now; this test's own.
  std::ofstream(stale / "r2.pid") << getpid();
  auto folder = RuntimeFolder::Open(place.path(), milliseconds(10));
  ASSERT_TRUE(folder);
  EXPECT_TRUE((*runner)->WaitFor(std::chrono::seconds(60)));
  EXPECT_FALSE(fs::exists(stale));
}

TEST(RuntimeFolder, RemembersWhatADeadServerHadOnTheCard) {
  const TestFolder place;
  const fs::path stale = place.path() / "serve-1";
  {
    auto first = RuntimeFolder::Open(place.path(), milliseconds(0));
    ASSERT_TRUE(first);
    EXPECT_FALSE((*first)->LeftBehind("ab"));
    (*first)->NoteCard("ab", {18, 300});
    fs::copy(place.path() / ("serve-" + std::to_string(getpid())), stale);
  }
  auto second = RuntimeFolder::Open(place.path(), milliseconds(0));
  ASSERT_TRUE(second);
  const auto left = (*second)->LeftBehind("ab");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->before_bytes, 18u);
  EXPECT_EQ(left->ours_bytes, 300u);
  EXPECT_FALSE((*second)->LeftBehind("cd"));
}

TEST(RuntimeFolder, LeavesALivingServerAlone) {
  const TestFolder place;
  auto first = RuntimeFolder::Open(place.path(), milliseconds(0));
  ASSERT_TRUE(first);
  const auto files = (*first)->NewRunner();
  (*first)->NotePid(files, 1);
  // flock locks belong to the open file, so a second one in this process stands for another's.
  (*first)->NoteCard("ab", {18, 300});
  EXPECT_EQ((*first)->OthersOn("ab"), 0u);
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    auto second = RuntimeFolder::Open(place.path(), milliseconds(0));
    const bool known = second && (*second)->OthersOn("ab") == 300 && (*second)->OthersOn("cd") == 0;
    _exit(known && fs::exists(files.pid) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(fs::exists(files.pid));
}

}  // namespace
}  // namespace axollama::server
