#include "bundle/insert_marks.h"

#include <gtest/gtest.h>

namespace axollama::bundle {
namespace {

TEST(InsertMarks, AreThoseOfTheFamily) {
  const InsertMarks qwen = FindInsertMarks({{"<|fim_middle|>", 3},
                                            {"<|fim_prefix|>", 1},
                                            {"<|fim_suffix|>", 2},
                                            {"<|file_sep|>", 9},
                                            {"<|im_end|>", 8}});
  EXPECT_TRUE(qwen.known());
  EXPECT_EQ(qwen.before, "<|fim_prefix|>");
  EXPECT_EQ(qwen.after, "<|fim_suffix|>");
  EXPECT_EQ(qwen.middle, "<|fim_middle|>");
  EXPECT_EQ(qwen.ends, std::vector<std::string>{"<|file_sep|>"});
  EXPECT_EQ(FindInsertMarks({{"▁<PRE>", 1}, {"▁<SUF>", 2}, {"▁<MID>", 3}}).before, "▁<PRE>");
}

TEST(InsertMarks, SomeOfThemIsNone) {
  EXPECT_FALSE(FindInsertMarks({{"<|fim_prefix|>", 1}, {"<|fim_suffix|>", 2}}).known());
  EXPECT_FALSE(FindInsertMarks({}).known());
}

}  // namespace
}  // namespace axollama::bundle
