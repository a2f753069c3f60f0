#include "server/parse_budget.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace axollama::server {
namespace {

TEST(ParseBudget, CountsUntilTheHandlerReturns) {
  const std::string body = "[" + std::string(999, ',') + "]";
  ParseBudget budget(2 * ParseBudget::Cost(body));
  int handled = 0;
  Status third;
  EXPECT_TRUE(budget.With(body, [&] {
    EXPECT_TRUE(budget.With(body, [&] {
      third = budget.With("{}", [&] { ++handled; });
      ++handled;
    }));
    EXPECT_TRUE(budget.With("{}", [&] { ++handled; }));
    ++handled;
  }));
  EXPECT_EQ(handled, 3);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind, ErrorKind::kBusy);
}

TEST(ParseBudget, AHandlerThatThrowsGivesItsPartBack) {
  const std::string body(1000, 'x');
  ParseBudget budget(ParseBudget::Cost(body));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW((void)budget.With(body, [] { throw std::runtime_error("no"); }),
                 std::runtime_error);
  }
}

}  // namespace
}  // namespace axollama::server
