#include "api/keep_alive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace axollama::api {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

TEST(Duration, ReadsGosGrammar) {
  const struct {
    const char* text;
    int64_t ns;
  } kCases[] = {
      {"0", 0},
      {"+0", 0},
      {"-0", 0},
      {"0s", 0},
      {"5s", 5 * kSecond},
      {"+5s", 5 * kSecond},
      {"-5s", -5 * kSecond},
      {"5m", 300 * kSecond},
      {"5m0s", 300 * kSecond},
      {"1h30m", 5400 * kSecond},
      {"24h", 86400 * kSecond},
      {"1.5h", 5400 * kSecond},
      {".5s", kSecond / 2},
      {"5.s", 5 * kSecond},
      {"1.000000001s", kSecond + 1},
      {"100ns", 100},
      {"1us", 1000},
      {"1\xc2\xb5s", 1000},
      {"1\xce\xbcs", 1000},
      {"1ms", 1'000'000},
      {"1h2m3s4ms5us6ns", 3'723'004'005'006},
      {"3h3h", 6 * 3600 * kSecond},
      {"0.3333333333333333333h", 1'200'000'000'000},
      {"0.100000000000000000000h", 360 * kSecond},
      {"2562047h47m16.854775807s", kKeepAliveForever},
      {"-2562047h47m16.854775808s", kMin},
      {"2562047h47m16.854775808s", kKeepAliveForever},
      {"99999999999999999999999999999999h", kKeepAliveForever},
      {"-99999999999999999999999999999999h", kMin},
      {"9223372036854775807ns", kKeepAliveForever},
      {"9223372036854775808ns", kKeepAliveForever},
  };
  for (const auto& c : kCases) {
    const auto ns = ParseDuration(c.text);
    ASSERT_TRUE(ns) << c.text << ": " << ns.error().message;
    EXPECT_EQ(*ns, c.ns) << c.text;
  }
}

TEST(Duration, RefusesWhatGoRefuses) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"", "time: invalid duration \"\""},
      {"-", "time: invalid duration \"-\""},
      {"s", "time: invalid duration \"s\""},
      {".", "time: invalid duration \".\""},
      {".s", "time: invalid duration \".s\""},
      {"3", "time: missing unit in duration \"3\""},
      {"300", "time: missing unit in duration \"300\""},
      {"1.5", "time: missing unit in duration \"1.5\""},
      {"5x", "time: unknown unit \"x\" in duration \"5x\""},
      {"1d", "time: unknown unit \"d\" in duration \"1d\""},
      {"5 m", "time: unknown unit \" m\" in duration \"5 m\""},
      {"5M", "time: unknown unit \"M\" in duration \"5M\""},
      {" 5m", "time: invalid duration \" 5m\""},
      {"--5m", "time: invalid duration \"--5m\""},
      {"1m-5s", "time: unknown unit \"m-\" in duration \"1m-5s\""},
      {"forever", "time: invalid duration \"forever\""},
  };
  for (const auto& c : kCases) {
    const auto ns = ParseDuration(c.text);
    ASSERT_FALSE(ns) << c.text;
    EXPECT_EQ(ns.error().message, c.message);
    EXPECT_EQ(ns.error().kind, ErrorKind::kInvalid);
  }
}

Result<std::optional<int64_t>> Field(const std::string& value) {
  return ParseKeepAlive(*json::ParseObject("{\"keep_alive\":" + value + "}", "request"));
}

TEST(KeepAlive, NumbersAreSecondsAndStringsDurations) {
  EXPECT_EQ(*Field("300"), 300 * kSecond);
  EXPECT_EQ(*Field("0.5"), kSecond / 2);
  EXPECT_EQ(*Field("0"), 0);
  EXPECT_EQ(*Field("-1"), kKeepAliveForever);
  EXPECT_EQ(*Field("-0.001"), kKeepAliveForever);
  EXPECT_EQ(*Field("1e300"), kKeepAliveForever);
  EXPECT_EQ(*Field("18446744073709551615"), kKeepAliveForever);
  EXPECT_EQ(*Field("\"5m\""), 300 * kSecond);
  EXPECT_EQ(*Field("\"0s\""), 0);
  EXPECT_EQ(*Field("\"-1m\""), kKeepAliveForever);
  EXPECT_EQ(*Field("\"2562047h47m16.854775807s\""), kKeepAliveForever);
  EXPECT_EQ(*Field("null"), std::nullopt);
  EXPECT_EQ(*ParseKeepAlive({}), std::nullopt);
}

TEST(KeepAlive, BadValuesNameTheField) {
  for (const char* value : {"true", "[]", "{}", "\"300\"", "\"\"", "\"soon\""}) {
    const auto field = Field(value);
    ASSERT_FALSE(field) << value;
    EXPECT_EQ(field.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(field.error().message, testing::HasSubstr("keep_alive"));
  }
}

TEST(KeepAlive, TheEnvironmentMayLeaveTheUnitOut) {
  EXPECT_EQ(*ParseKeepAliveText("300"), 300 * kSecond);
  EXPECT_EQ(*ParseKeepAliveText("1.5"), 3 * kSecond / 2);
  EXPECT_EQ(*ParseKeepAliveText("-1"), kKeepAliveForever);
  EXPECT_EQ(*ParseKeepAliveText("24h"), 86400 * kSecond);
  EXPECT_EQ(*ParseKeepAliveText("-1s"), kKeepAliveForever);
  EXPECT_EQ(*ParseKeepAliveText("0"), 0);
  EXPECT_FALSE(ParseKeepAliveText("soon"));
  EXPECT_FALSE(ParseKeepAliveText(""));
  EXPECT_FALSE(ParseKeepAliveText("inf"));
}

}  // namespace
}  // namespace axollama::api
