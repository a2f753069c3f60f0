#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace axollama::engine {
namespace {

struct Seen {
  std::string text;
  std::optional<uint32_t> match;
};

Seen Watch(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher;
  matcher.Start(stops);
  Seen seen;
  for (const std::string& piece : pieces) {
    seen.text += matcher.Feed(piece);
    seen.match = matcher.match();
    if (seen.match) return seen;
  }
  seen.text += matcher.Flush();
  return seen;
}

TEST(StopMatcherTest, WithoutStopsEverythingPassesAtOnce) {
  StopMatcher matcher;
  matcher.Start({"", ""});
  EXPECT_EQ(matcher.Feed("abc"), "abc");
  EXPECT_EQ(matcher.Feed(""), "");
  EXPECT_EQ(matcher.Feed("d"), "d");
  EXPECT_EQ(matcher.Flush(), "");
  EXPECT_FALSE(matcher.match());
}

TEST(StopMatcherTest, HoldsBackOnlyWhatMayBecomeAStop) {
  StopMatcher matcher;
  matcher.Start({"\n\nUser:"});
  EXPECT_EQ(matcher.Feed("Hello\n"), "Hello");
  EXPECT_EQ(matcher.Feed("world\n"), "\nworld");
  EXPECT_EQ(matcher.Feed("\nUs"), "");
  EXPECT_EQ(matcher.Feed("a"), "\n\nUsa");
  EXPECT_EQ(matcher.Feed("\n\n\nUser:x"), "\n");
  EXPECT_EQ(matcher.match(), 0u);
}

TEST(StopMatcherTest, TheHeldBackEndIsGivenOutWhenTheTextEnds) {
  const Seen seen = Watch({"STOP"}, {"go ", "ST"});
  EXPECT_EQ(seen.text, "go ST");
  EXPECT_FALSE(seen.match);
}

TEST(StopMatcherTest, SpansPiecesAndRepeatsItsOwnPrefix) {
  const Seen seen = Watch({"aab"}, {"a", "a", "a", "b", "c"});
  EXPECT_EQ(seen.text, "a");
  EXPECT_EQ(seen.match, 0u);
}

TEST(StopMatcherTest, OfTwoCompleteAtOnceTheLongestCuts) {
  const Seen seen = Watch({"cd", "abcd", "bcd"}, {"xab", "cd"});
  EXPECT_EQ(seen.text, "x");
  EXPECT_EQ(seen.match, 1u);
}

TEST(StopMatcherTest, TheFirstCompleteWinsOverALongerOneStillOpen) {
  const Seen seen = Watch({"abcdef", "bcd"}, {"xabcdef"});
  EXPECT_EQ(seen.text, "xa");
  EXPECT_EQ(seen.match, 1u);
}

TEST(StopMatcherTest, AStopThatBeginsWithAnother) {
  const Seen seen = Watch({"abc", "ab"}, {"xabc"});
  EXPECT_EQ(seen.text, "x");
  EXPECT_EQ(seen.match, 1u);
}

TEST(StopMatcherTest, AFailedLongStopLeavesAShorterOneInsideItWhole) {
  // "aXb" fails at its last byte, yet "Xc" inside it must be found.
  const Seen seen = Watch({"aXb", "Xc"}, {"..aX", "c"});
  EXPECT_EQ(seen.text, "..a");
  EXPECT_EQ(seen.match, 1u);
}

TEST(StopMatcherTest, StartForgetsWhatWasBefore) {
  StopMatcher matcher;
  matcher.Start({"ab"});
  EXPECT_EQ(matcher.Feed("xa"), "x");
  matcher.Start({"ab"});
  EXPECT_EQ(matcher.Feed("b"), "b");
  EXPECT_FALSE(matcher.match());
}

// Against a plain search at every end position, on text over a small alphabet cut at random.
TEST(StopMatcherTest, AgreesWithAPlainSearchHoweverTheTextIsCut) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    auto word = [&](size_t least, size_t most) {
      std::string out(least + random() % (most - least + 1), 'a');
      for (char& c : out) c = static_cast<char>('a' + random() % 2);
      return out;
    };
    std::vector<std::string> stops;
    for (size_t i = 0; i < 1 + random() % 3; ++i) stops.push_back(word(2, 6));
    const std::string text = word(0, 24);

    Seen expected{text, std::nullopt};
    for (size_t end = 1; end <= text.size() && !expected.match; ++end) {
      for (uint32_t i = 0; i < stops.size(); ++i) {
        const std::string& stop = stops[i];
        if (stop.size() > end || text.compare(end - stop.size(), stop.size(), stop) != 0) continue;
        if (expected.match && stops[*expected.match].size() >= stop.size()) continue;
        expected.match = i;
        expected.text = text.substr(0, end - stop.size());
      }
    }

    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + random() % 5;
      pieces.push_back(text.substr(at, size));
      at += size;
    }
    const Seen seen = Watch(stops, pieces);
    ASSERT_EQ(seen.text, expected.text) << text;
    ASSERT_EQ(seen.match, expected.match) << text;
  }
}

}  // namespace
}  // namespace axollama::engine
