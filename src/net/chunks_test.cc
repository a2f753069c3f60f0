#include "net/chunks.h"

#include <gtest/gtest.h>

namespace axollama::net {
namespace {

TEST(Chunks, DecodeHoweverTheyAreCut) {
  const std::string text("5;ext=1\r\nhello\r\n00B\r\n, \r\n\0 world\r\n0\r\nTrailer: x\r\n\r\nnext",
                         55);
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    ChunkDecoder decoder;
    std::string out;
    std::string pending;
    size_t at = 0;
    while (!decoder.done() && at < text.size()) {
      pending += text.substr(at, piece);
      at += piece;
      const auto used = decoder.Feed(pending, &out);
      ASSERT_TRUE(used) << used.error().message;
      pending.erase(0, *used);
    }
    ASSERT_TRUE(decoder.done()) << piece;
    EXPECT_EQ(out, std::string("hello, \r\n\0 world", 16)) << piece;
    EXPECT_EQ(pending + (at < text.size() ? text.substr(at) : ""), "next") << piece;
  }
}

TEST(Chunks, BadFramingIsRefused) {
  const char* const kBad[] = {
      "x\r\n",
      "5x\r\nhello\r\n",
      "-1\r\n",
      "+5\r\nhello\r\n",
      "0x5\r\nhello",
      " 5\r\nhello\r\n",
      "5\nhello\r\n",
      "5\r\nhelloXX0\r\n\r\n",
      "\r\n",
      "5 5\r\nhello",
      "FFFFFFFFFFFFFFFFF\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "0\r\nbad trailer\r\n\r\n",
      "0x\r\n\r\n",
      "z",
      "5\r\nhelloX",
      "0\r\n: x\r\n\r\n",
      "0\r\n folded: x\r\n\r\n",
      "5\rhello",
  };
  for (const char* wire : kBad) {
    ChunkDecoder decoder;
    std::string out;
    EXPECT_FALSE(decoder.Feed(wire, &out)) << wire;
  }
}

TEST(Chunks, AnEndlessChunkHeaderIsRefused) {
  ChunkDecoder decoder;
  std::string out;
  EXPECT_FALSE(decoder.Feed("5;" + std::string(80'000, 'x'), &out));
}

TEST(Chunks, AnEndlessTrailerIsRefused) {
  ChunkDecoder decoder;
  std::string out;
  std::string trailers = "0\r\n";
  for (int i = 0; i < 8000; ++i) trailers += "name: value\r\n";
  EXPECT_FALSE(decoder.Feed(trailers, &out));
}

}  // namespace
}  // namespace axollama::net
