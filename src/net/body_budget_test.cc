#include "net/body_budget.h"

#include <gtest/gtest.h>

#include <vector>

namespace axollama::net {
namespace {

constexpr size_t kMiB = 1u << 20;

TEST(BodyBudget, ClientsByAddress) {
  EXPECT_EQ(ClientOf("10.0.0.1:5"), ClientOf("[::ffff:10.0.0.1]:6"));
  EXPECT_NE(ClientOf("10.0.0.1:5"), ClientOf("10.0.0.2:5"));
  EXPECT_EQ(ClientOf("[2001:db8::1]:5"), ClientOf("[2001:db8::ffff:1]:5"));
  EXPECT_NE(ClientOf("[2001:db8::1]:5"), ClientOf("[2001:db8:0:1::1]:5"));
  EXPECT_EQ(ClientOf("unix"), "unix");
}

TEST(BodyBudget, AllTogetherAndEachClientHaveALimit) {
  BodyBudget budget(16 * kMiB);
  std::vector<size_t> a(9, 0), b(9, 0), c(1, 0);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(budget.Count("a", &a[i], kMiB));
  EXPECT_FALSE(budget.Count("a", &a[8], 1)) << "half is the most that one has";
  EXPECT_TRUE(budget.Count("a", &a[8], 0));
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(budget.Count("b", &b[i], kMiB));
  EXPECT_FALSE(budget.Count("c", &c[0], 1)) << "nothing is left of the whole";
  EXPECT_TRUE(budget.Count("c", &c[0], 0));
  EXPECT_TRUE(budget.Count("a", &a[0], 0));
  EXPECT_TRUE(budget.Count("c", &c[0], kMiB)) << "what was given up makes room";
}

TEST(BodyBudget, LongBodiesLeaveRoomForShortOnes) {
  BodyBudget budget(16 * kMiB);
  size_t first = 0, second = 0, third = 0;
  EXPECT_TRUE(budget.Count("a", &first, 6 * kMiB));
  EXPECT_FALSE(budget.Count("a", &first, 6 * kMiB + 1));
  EXPECT_TRUE(budget.Count("a", &first, 6 * kMiB));
  EXPECT_TRUE(budget.Count("b", &second, 6 * kMiB));
  EXPECT_FALSE(budget.Count("c", &third, 2 * kMiB));
  EXPECT_TRUE(budget.Count("c", &third, kMiB));
}

}  // namespace
}  // namespace axollama::net
