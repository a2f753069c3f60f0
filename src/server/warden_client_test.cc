#include "server/warden_client.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>
#include <vector>

#include "server/test_folder.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kAnswer =
    R"({"id":%s,"ok":true,"backend":"sim","library":"/l.so","cards":[1,5],"properties":)"
    R"({"id":1,"uid":"00ab","firmware":"V3","pci":"0000:01:00.0","temperature_c":41.5,)"
    R"("cmm_total_bytes":1000,"cmm_free_bytes":400,"npu_percent":null}})";

// A warden in shell: `body` runs for each question, with its number in $id and the number of
// wardens so far in $n.
class FakeWarden {
 public:
  explicit FakeWarden(const std::string& body) {
    signal(SIGPIPE, SIG_IGN);
    const auto script = folder_.path() / "warden";
    std::ofstream(script)
        << "#!/bin/sh\ncount=" << (folder_.path() / "count").string()
        << "\nn=$(( $(cat $count 2>/dev/null || echo 0) + 1 )); echo $n > $count\n"
        << "while read question; do id=${question#*:}; id=${id%%,*}\n"
        << body << "\ndone\n";
    chmod(script.c_str(), 0700);
    options_.program = script.string();
  }
  WardenClient::Options options() const { return options_; }
  int wardens() const {
    int count = 0;
    std::ifstream(folder_.path() / "count") >> count;
    return count;
  }
  static std::string Answer() { return std::string("printf '") + kAnswer + "\\n' $id"; }

 private:
  TestFolder folder_;
  WardenClient::Options options_;
};

TEST(WardenClient, ReadsProperties) {
  const FakeWarden fake(FakeWarden::Answer());
  WardenClient warden(fake.options());
  EXPECT_FALSE(warden.LastProperties());
  const auto properties = warden.Properties(seconds(5));
  ASSERT_TRUE(properties) << properties.error().message;
  EXPECT_EQ(properties->backend, "sim");
  EXPECT_EQ(properties->uid, "00ab");
  EXPECT_EQ(properties->cards, (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(properties->temperature_c, 41.5);
  EXPECT_EQ(properties->npu_percent, std::nullopt);
  EXPECT_EQ(properties->cmm_used_bytes(), 600u);
  EXPECT_TRUE(warden.LastProperties());
}

TEST(WardenClient, CachesUntilToldToForget) {
  const FakeWarden fake(
      R"(c=$((c+1)); printf '{"id":%s,"ok":true,"properties":{"id":%s}}\n' $id $c)");
  WardenClient warden(fake.options());
  EXPECT_EQ(warden.Properties(seconds(600))->id, 1);
  EXPECT_EQ(warden.Properties(seconds(600))->id, 1);
  warden.ForgetProperties();
  EXPECT_EQ(warden.Properties(seconds(600))->id, 2);
  EXPECT_EQ(warden.Properties(milliseconds(0))->id, 3);
}

TEST(WardenClient, PassesTheWardensErrorsOn) {
  const FakeWarden fake(
      R"(printf '{"id":%s,"ok":false,"kind":"unavailable","error":"no card"}\n' $id)");
  WardenClient warden(fake.options());
  const auto properties = warden.Properties(seconds(5));
  ASSERT_FALSE(properties);
  EXPECT_EQ(properties.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(properties.error().message, "no card");
}

TEST(WardenClient, ReplacesAWardenThatHangs) {
  const FakeWarden fake("if [ $n = 1 ]; then exec sleep 1000; fi; " + FakeWarden::Answer());
  WardenClient::Options options = fake.options();
  options.answer_limit = milliseconds(300);
  WardenClient warden(options);
  const auto hung = warden.Properties(seconds(5));
  ASSERT_FALSE(hung);
  EXPECT_EQ(hung.error().kind, ErrorKind::kTimeout);
  Result<CardProperties> next = warden.Properties(seconds(5));
  for (int i = 0; i < 100 && !next; ++i) next = warden.Properties(seconds(5));
  EXPECT_TRUE(next);
}

TEST(WardenClient, AskersOfAWardenThatHangsDoNotQueueUp) {
  // The count says how many wardens there were: one for each question that had no answer.
  const FakeWarden fake("sleep 60");
  WardenClient::Options options = fake.options();
  options.answer_limit = milliseconds(500);
  WardenClient warden(options);
  std::vector<std::thread> askers;
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] { EXPECT_FALSE(warden.Properties(seconds(5))); });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_LE(fake.wardens(), 2);
  EXPECT_FALSE(warden.Properties(milliseconds(0)));  // asks, whatever was found out before
  EXPECT_LE(fake.wardens(), 3);
}

TEST(WardenClient, ReplacesAWardenThatDied) {
  const FakeWarden fake("if [ $n = 1 ]; then echo 'error: no driver' >&2; exit 1; fi; " +
                        FakeWarden::Answer());
  WardenClient warden(fake.options());
  const auto dead = warden.Properties(seconds(5));
  ASSERT_FALSE(dead);
  EXPECT_EQ(dead.error().message, "no driver");
  EXPECT_TRUE(warden.Properties(seconds(5)));
}

TEST(WardenClient, DoesNotTrustNonsense) {
  const FakeWarden fake("if [ $n = 1 ]; then echo nonsense; else " + FakeWarden::Answer() + "; fi");
  WardenClient warden(fake.options());
  const auto nonsense = warden.Properties(seconds(5));
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().kind, ErrorKind::kInternal);
  EXPECT_TRUE(warden.Properties(seconds(5)));
}

}  // namespace
}  // namespace axollama::server
