#include "text/utf8_stream.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace axollama::text {
namespace {

std::string Whole(std::string_view bytes) {
  Utf8Stream stream;
  std::string out;
  stream.Push(bytes, &out);
  stream.Flush(&out);
  return out;
}

TEST(Utf8Stream, ValidTextPassesWhereverItIsCut) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";  // a é € 😀 z
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Stream stream;
    std::string first, rest;
    stream.Push(std::string_view(text).substr(0, cut), &first);
    stream.Push(std::string_view(text).substr(cut), &rest);
    EXPECT_EQ(first, text.substr(0, cut - (first.size() < cut ? cut - first.size() : 0)));
    EXPECT_EQ(first + rest, text) << "cut at " << cut;
    EXPECT_EQ(stream.pending_bytes(), 0u);
  }
}

TEST(Utf8Stream, AnIncompleteCharacterIsHeldBack) {
  Utf8Stream stream;
  std::string out;
  stream.Push("x\xF0\x9F\x98", &out);
  EXPECT_EQ(out, "x");
  EXPECT_EQ(stream.pending_bytes(), 3u);
  stream.Push("\x80", &out);
  EXPECT_EQ(out, "x\xF0\x9F\x98\x80");
}

// The expected values are Python's bytes.decode("utf-8", "replace").
TEST(Utf8Stream, InvalidBytesBecomeReplacementCharacters) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(Whole("\x80"), r);
  EXPECT_EQ(Whole("\xC0\xAF"), r + r);          // overlong
  EXPECT_EQ(Whole("\xED\xA0\x80"), r + r + r);  // a surrogate
  EXPECT_EQ(Whole("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(Whole("\xE2\x82"
                  "A"),
            r + "A");  // one for the part that was cut short
  EXPECT_EQ(Whole("\xE2\xE2\x82\xAC"), r + "\xE2\x82\xAC");
  EXPECT_EQ(Whole("ok\xF0\x9F"), "ok" + r);
  EXPECT_EQ(Whole("\xFF\xFE"), r + r);
}

TEST(Utf8Stream, FlushStartsAfresh) {
  Utf8Stream stream;
  std::string out;
  stream.Push("\xE2", &out);
  stream.Flush(&out);
  stream.Push("\x82", &out);
  EXPECT_EQ(out, "\xEF\xBF\xBD\xEF\xBF\xBD");
  stream.Flush(&out);
  EXPECT_EQ(out, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace axollama::text
