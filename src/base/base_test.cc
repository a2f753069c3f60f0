// Tests of the small parts of base that have no test of their own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "base/bf16.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/file.h"
#include "base/half.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/one_line.h"
#include "base/progress.h"
#include "base/sha256.h"

namespace axollama {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "base_test.XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

TEST(Json, WritesNumbersAsPeopleDo) {
  const auto value = json::Parse(R"({"a":0.8,"b":5.0,"c":1e-7,"d":-3,"e":18446744073709551615})");
  ASSERT_TRUE(value);
  EXPECT_EQ(json::Write(*value), R"({"a":0.8,"b":5,"c":1e-07,"d":-3,"e":18446744073709551615})");
  EXPECT_EQ(json::Write(json::Value(std::nan(""))), "null");
}

TEST(Json, EscapesWhatMustBeEscaped) {
  EXPECT_EQ(json::Write(json::Value("a\"\\\n\t\x01\x1fü")), "\"a\\\"\\\\\\n\\t\\u0001\\u001fü\"");
}

TEST(Json, WhatItWritesIsUtf8WhateverTheStringsHold) {
  const auto written = [](std::string_view bytes) { return json::Write(json::Value(bytes)); };
  const std::string good = "a\x7f\xC2\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF";
  EXPECT_EQ(written(good), "\"" + good + "\"");
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(written("a\xC3"), "\"a" + mark + "\"");                      // cut
  EXPECT_EQ(written("\xE2\x82z"), "\"" + mark + mark + "z\"");           // cut in the middle
  EXPECT_EQ(written("\xC0\x80"), "\"" + mark + mark + "\"");             // overlong
  EXPECT_EQ(written("\xED\xA0\x80"), "\"" + mark + mark + mark + "\"");  // a surrogate
  EXPECT_EQ(written("\xF4\x90\x80\x80").size(), 2 + 4 * mark.size());    // above U+10FFFF
  EXPECT_EQ(written("\xFF\"\xC3\xA9"), "\"" + mark + "\\\"\xC3\xA9\"");
  json::Object object;
  object["k\xFF"] = 1;
  EXPECT_EQ(json::Write(object), "{\"k" + mark + "\":1}");
}

TEST(Json, KeepsTheOrderOfKeys) {
  const auto value = json::Parse(R"({"z":1,"a":[true,null,"x"],"m":{}})");
  ASSERT_TRUE(value);
  EXPECT_EQ(json::Write(*value), R"({"z":1,"a":[true,null,"x"],"m":{}})");
}

TEST(Json, RefusesRubbishAndSaysWhere) {
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "nul", "\"\xff\"", "{\"a\":1} x", "'a'"}) {
    const auto value = json::Parse(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().kind, ErrorKind::kInvalid);
    EXPECT_NE(value.error().message.find("invalid JSON at byte"), std::string::npos);
  }
  EXPECT_FALSE(json::Parse(std::string(100, '[') + std::string(100, ']')));
  EXPECT_FALSE(json::ParseObject("[]", "config.json"));
}

// A few bytes of text each, but dozens in memory.
TEST(Json, RefusesTooManyValues) {
  const auto list = [](size_t count, const std::string& item) {
    std::string text = "[" + item;
    for (size_t i = 1; i < count; ++i) text += "," + item;
    text += "]";
    return json::Parse(text);
  };
  EXPECT_TRUE(list(json::kMaxValues - 1, "1"));
  const auto refused = list(json::kMaxValues + 1, "1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "invalid JSON: it has more than 1000000 values");
  EXPECT_FALSE(list(json::kMaxValues / 2 + 1, "[]"));
  EXPECT_FALSE(list(json::kMaxValues / 3 + 1, R"({"a":1})"));
  // What stands in a string is text, however it is quoted.
  EXPECT_TRUE(json::Parse("\"" + std::string(2 * json::kMaxValues, ',') + "\""));
  std::string quotes = "\"";
  for (size_t i = 0; i <= json::kMaxValues; ++i) quotes += "\\\",";
  quotes += "\"";
  EXPECT_TRUE(json::Parse(quotes));
}

TEST(Json, ObjectsWrittenMemberByMemberAreThoseWrittenWhole) {
  std::string line;
  json::ObjectWriter object(&line);
  object.Add("text", "a \"b\"\n\xff");
  object.Add("yes", true);
  object.Add("count", int64_t{-7});
  json::ObjectWriter inner = object.AddObject("inner");
  inner.Add("list", json::Array{1, 2.5});
  inner.End();
  object.End();
  EXPECT_EQ(line,
            json::Write(json::Object{{"text", "a \"b\"\n\xff"},
                                     {"yes", true},
                                     {"count", -7},
                                     {"inner", json::Object{{"list", json::Array{1, 2.5}}}}}));
}

TEST(Json, TypedReadsNameTheKey) {
  const auto object = json::ParseObject(R"({"n":8.0,"f":1.5,"s":"x","b":true,"z":null})", "test");
  ASSERT_TRUE(object);
  EXPECT_EQ(json::GetInt(*object, "n", 0).value(), 8);
  EXPECT_EQ(json::GetInt(*object, "z", 7).value(), 7);
  EXPECT_EQ(json::GetInt(*object, "absent", 7).value(), 7);
  EXPECT_EQ(json::GetInt(*object, "f", 0).error().message, "\"f\" must be an integer");
  EXPECT_EQ(json::GetDouble(*object, "f", 0).value(), 1.5);
  EXPECT_EQ(json::GetString(*object, "b", "").error().message, "\"b\" must be a string");
  EXPECT_EQ(json::GetBool(*object, "s", false).error().message, "\"s\" must be true or false");
  EXPECT_EQ(json::GetDouble(*object, "s", 0).error().message, "\"s\" must be a number");
  const auto huge = json::ParseObject(R"({"f":-1e999})", "test");
  ASSERT_TRUE(huge);
  EXPECT_EQ(json::GetDouble(*huge, "f", 0).error().message, "\"f\" is too large a number");
}

TEST(File, MapsReadsAndReplaces) {
  const Folder folder;
  const fs::path path = folder / "f";
  EXPECT_EQ(MappedFile::Open(path).error().kind, ErrorKind::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(path, "hello"));
  auto mapped = MappedFile::Open(path);
  ASSERT_TRUE(mapped);
  ASSERT_TRUE(WriteFileAtomically(path, ""));  // the old bytes stay with the mapping
  EXPECT_EQ(mapped->bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(mapped->bytes()[4]), 'o');
  EXPECT_EQ(ReadFile(path).value(), "");
  EXPECT_TRUE(MappedFile::Open(path)->bytes().empty());
  EXPECT_EQ(std::distance(fs::directory_iterator(path.parent_path()), fs::directory_iterator()), 1);
}

TEST(File, RefusesWhatIsNoRegularFile) {
  const Folder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(folder / "fifo").error().kind, ErrorKind::kInvalid);
  EXPECT_FALSE(MappedFile::Open(folder / "."));
  ASSERT_TRUE(WriteFileAtomically(folder / "big", "123456"));
  EXPECT_EQ(ReadFile(folder / "big", 5).error().kind, ErrorKind::kInvalid);
}

TEST(Clock, FormatsTimesAsGoDoes) {
  EXPECT_EQ(FormatTime(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(FormatTime(1'795'780'000'123'456'789), "2026-11-27T11:46:40.123456789Z");
  const int64_t before = MonotonicNs();
  EXPECT_LE(before, MonotonicNs());
}

TEST(Env, EmptyIsUnset) {
  setenv("AXOLLAMA_BASE_TEST", "", 1);
  EXPECT_FALSE(GetEnv("AXOLLAMA_BASE_TEST"));
  setenv("AXOLLAMA_BASE_TEST", "x", 1);
  EXPECT_EQ(GetEnv("AXOLLAMA_BASE_TEST"), "x");
  unsetenv("AXOLLAMA_BASE_TEST");
}

TEST(OneLine, ControlBytesBecomeSpaces) {
  EXPECT_EQ(OneLine("key \"a\r\n\x1b[31m\x7f\" \xc3\xa9"), "key \"a   [31m \" \xc3\xa9");
  EXPECT_EQ(OneLine("said\nin two lines \n"), "said in two lines");
  EXPECT_EQ(OneLine(" \n"), "");
  EXPECT_EQ(OneLine(""), "");
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(FloatToBf16(1.0f), 0x3f80);
  EXPECT_EQ(FloatToBf16(1.00390625f), 0x3f80);  // a tie: 1 + 2^-8 goes to the even neighbour
  EXPECT_EQ(FloatToBf16(1.01171875f), 0x3f82);
  EXPECT_EQ(FloatToBf16(-65536.0f), 0xc780);
  EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16(std::nanf("")))));
  EXPECT_EQ(FloatToBf16(std::numeric_limits<float>::infinity()), 0x7f80);
}

TEST(Half, BecomesTheFloatOfTheSameValue) {
  EXPECT_EQ(HalfToFloat(0x0000), 0.0f);
  EXPECT_TRUE(std::signbit(HalfToFloat(0x8000)));
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(HalfToFloat(0xc000), -2.0f);
  EXPECT_EQ(HalfToFloat(0x3555), 0.333251953125f);
  EXPECT_EQ(HalfToFloat(0x7bff), 65504.0f);
  EXPECT_EQ(HalfToFloat(0x0001), 5.9604644775390625e-08f);
  EXPECT_EQ(HalfToFloat(0x83ff), -6.0975551605224609375e-05f);
  EXPECT_EQ(HalfToFloat(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7e00)));
}

TEST(Progress, IsSharedThroughTheFile) {
  const Folder folder;
  auto writer = Progress::Create(folder / "p");
  ASSERT_TRUE(writer);
  auto reader = Progress::Open(folder / "p");
  ASSERT_TRUE(reader);
  writer->page().device_calls = 42;
  writer->page().state = RunnerState::kBusy;
  EXPECT_EQ(reader->page().device_calls, 42u);
  EXPECT_EQ(reader->page().state, RunnerState::kBusy);
  ASSERT_TRUE(WriteFileAtomically(folder / "short", "x"));
  EXPECT_EQ(Progress::Open(folder / "short").error().kind, ErrorKind::kInvalid);
  EXPECT_FALSE(Progress::Open(folder / "absent"));
}

TEST(Sha256, KnownVectors) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesOfAnySizeGiveTheSum) {
  Sha256 many;
  for (int i = 0; i < 1000; ++i) many.Update("abc");
  EXPECT_EQ(many.Hex(), "328de8f1895f8bb09f6e6b4c2012ef2b2a6f067cd002794b750aa040a6f6d8bd");
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes.push_back(static_cast<char>(i * 7));
  for (const size_t size :
       {size_t{0}, size_t{55}, size_t{56}, size_t{64}, size_t{119}, size_t{200}}) {
    const std::string_view whole = std::string_view(bytes).substr(0, size);
    for (const size_t piece : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{130}}) {
      Sha256 sum;
      for (size_t at = 0; at < size; at += piece) sum.Update(whole.substr(at, piece));
      EXPECT_EQ(sum.Hex(), Sha256Hex(whole)) << size << " in pieces of " << piece;
    }
  }
}

}  // namespace
}  // namespace axollama
