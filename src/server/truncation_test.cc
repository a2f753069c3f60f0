#include "server/truncation.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string_view>

namespace axollama::server {
namespace {

std::vector<api::Message> Talk(std::string_view roles) {
  std::vector<api::Message> messages;
  for (const char role : roles) {
    api::Message& message = messages.emplace_back();
    message.role = role == 's' ? "system" : role == 'u' ? "user" : "assistant";
    message.content = std::to_string(messages.size() - 1);
  }
  return messages;
}

std::string Contents(const std::vector<api::Message>& messages) {
  std::string all;
  for (const api::Message& message : messages) all += message.content;
  return all;
}

TEST(Truncation, SystemMessagesAndTheLastOneStay) {
  const auto talk = Talk("suausau");
  EXPECT_EQ(Contents(KeepFrom(talk, 0)), "0123456");
  EXPECT_EQ(Contents(KeepFrom(talk, 2)), "023456");
  EXPECT_EQ(Contents(KeepFrom(talk, 6)), "046");
}

TEST(Truncation, FindsTheFirstThatFits) {
  for (size_t count = 1; count <= 40; ++count) {
    for (size_t limit = 0; limit <= count + 1; ++limit) {
      size_t asked = 0;
      const auto first = FirstThatFits(count, [&](size_t from) -> Result<bool> {
        ++asked;
        return count - from <= limit;
      });
      ASSERT_TRUE(first);
      const size_t expected = limit >= count ? 0 : std::min(count - limit, count - 1);
      EXPECT_EQ(*first, expected) << count << " " << limit;
      EXPECT_LE(asked, 8u);
    }
  }
}

TEST(Truncation, WhereTheTemplateRefusesTheNextOneIsTried) {
  for (size_t limit = 0; limit <= 12; ++limit) {
    const auto first = FirstThatFits(11, [&](size_t from) -> Result<bool> {
      if (from % 2 == 1) return Fail(ErrorKind::kInvalid, "roles must alternate");
      return 11 - from <= limit;
    });
    ASSERT_TRUE(first);
    size_t expected = 0;
    while (expected < 10 && 11 - expected > limit) expected += 2;
    EXPECT_EQ(*first, expected) << limit;
  }
}

TEST(Truncation, ATemplateThatRefusesEverythingIsNotAskedForEver) {
  size_t asked = 0;
  const auto first = FirstThatFits(100'000, [&](size_t from) -> Result<bool> {
    ++asked;
    if (from == 0) return false;
    return Fail(ErrorKind::kInvalid, "the first must be the user's");
  });
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, 99'999u);
  EXPECT_LT(asked, 200u);
}

TEST(Truncation, NoMessagesAreAllThatThereIs) {
  size_t asked = 0;
  const auto first = FirstThatFits(0, [&](size_t) -> Result<bool> { return ++asked == 0; });
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, 0u);
  EXPECT_EQ(asked, 1u);
}

TEST(Truncation, ErrorsEndTheSearch) {
  const auto whole = FirstThatFits(
      5, [](size_t) -> Result<bool> { return Fail(ErrorKind::kInvalid, "no template"); });
  EXPECT_EQ(whole.error().message, "no template");
  const auto later = FirstThatFits(5, [](size_t from) -> Result<bool> {
    if (from > 0) return Fail(ErrorKind::kIo, "gone");
    return false;
  });
  EXPECT_EQ(later.error().message, "gone");
}

TEST(Truncation, APromptIsCutAsOllamaCutsIt) {
  std::vector<int32_t> tokens(100);
  std::iota(tokens.begin(), tokens.end(), 0);
  // Of a context of 20, 4 are kept and half of the other 16 are free.
  EXPECT_EQ(CutPrompt(tokens, 4, 20),
            (std::vector<int32_t>{0, 1, 2, 3, 92, 93, 94, 95, 96, 97, 98, 99}));
  EXPECT_EQ(CutPrompt(tokens, 0, 4), (std::vector<int32_t>{98, 99}));
  EXPECT_EQ(CutPrompt(tokens, -1, 5), (std::vector<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(CutPrompt(tokens, 1000, 5), (std::vector<int32_t>{0, 1, 2, 3}));
  tokens.resize(12);
  EXPECT_EQ(CutPrompt(tokens, 4, 20), tokens);
}

}  // namespace
}  // namespace axollama::server
