#include "server/embedding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace axollama::server {
namespace {

using ::testing::ElementsAre;

TEST(CutInput, KeepsWhatTheTokenizerAdds) {
  EXPECT_THAT(*CutInput({1, 5, 6, 7, 8, 2}, {5, 6, 7, 8}, 4), ElementsAre(1, 5, 6, 2));
  EXPECT_THAT(*CutInput({5, 6, 7, 8}, {5, 6, 7, 8}, 3), ElementsAre(5, 6, 7));
  EXPECT_THAT(*CutInput({5, 6, 7, 2, 3}, {5, 6, 7}, 3), ElementsAre(5, 2, 3));
  EXPECT_THAT(*CutInput({1, 5, 6, 7}, {5, 6, 7}, 2), ElementsAre(1, 5));
}

TEST(CutInput, RefusesWhereNothingWouldBeLeft) {
  const auto full = CutInput({1, 5, 6, 2}, {5, 6}, 2);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().kind, ErrorKind::kTooLong);
  EXPECT_EQ(full.error().message, "input after truncation exceeds maximum context length");
  // A tokenizer whose additions change the text's own tokens.
  const auto other = CutInput({1, 9, 6, 2}, {5, 6}, 3);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message,
            "input exceeds maximum context length and cannot be truncated further");
}

}  // namespace
}  // namespace axollama::server
