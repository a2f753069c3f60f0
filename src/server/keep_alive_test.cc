#include "server/keep_alive.h"

#include <gtest/gtest.h>

namespace axollama::server {
namespace {

constexpr int64_t kS = 1'000'000'000;

TEST(KeepAlive, RunsFromTheEndOfTheLastRequest) {
  KeepAlive keep(300 * kS);
  keep.Begin(std::nullopt);
  EXPECT_FALSE(keep.Due(1'000'000 * kS));
  keep.Begin(std::nullopt);
  keep.End(10 * kS);
  EXPECT_FALSE(keep.Due(1'000'000 * kS)) << "one request is still running";
  keep.End(20 * kS);
  EXPECT_FALSE(keep.Due(320 * kS - 1));
  EXPECT_TRUE(keep.Due(320 * kS));
}

TEST(KeepAlive, RequestReplacesTheValueAndItStays) {
  KeepAlive keep(300 * kS);
  keep.Begin(10 * kS);
  keep.End(0);
  EXPECT_EQ(keep.ExpiresNs(0), 10 * kS);
  keep.Begin(std::nullopt);
  keep.End(5 * kS);
  EXPECT_EQ(keep.ExpiresNs(5 * kS), 15 * kS);
}

TEST(KeepAlive, ZeroIsDueAtOnceButNotWhileInUse) {
  KeepAlive keep(300 * kS);
  keep.Begin(0);
  EXPECT_FALSE(keep.Due(7 * kS));
  keep.End(7 * kS);
  EXPECT_TRUE(keep.Due(7 * kS));
}

TEST(KeepAlive, ForeverDoesNotOverflow) {
  KeepAlive keep(KeepAlive::kForever);
  keep.Begin(std::nullopt);
  keep.End(5 * kS);
  EXPECT_EQ(keep.ExpiresNs(5 * kS), KeepAlive::kForever);
  EXPECT_FALSE(keep.Due(KeepAlive::kForever - 1));
}

TEST(KeepAlive, ShowsWhenItWouldEndWhileInUse) {
  KeepAlive keep(60 * kS);
  keep.Begin(std::nullopt);
  EXPECT_EQ(keep.ExpiresNs(100 * kS), 160 * kS);
}

}  // namespace
}  // namespace axollama::server
