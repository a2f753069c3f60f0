#include "net/content_encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <stdexcept>
#include <string>

namespace axollama::net {
namespace {

using testing::HasSubstr;

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  EXPECT_FALSE(ZSTD_isError(size));
  out.resize(size);
  return out;
}

Request With(const char* encoding, std::string body) {
  Request request;
  request.path = "/v1/responses";
  request.headers.Set("Content-Encoding", encoding);
  request.body = std::move(body);
  return request;
}

std::string ErrorOf(const Request& request, size_t limit = 1u << 20) {
  const auto plain = Decompressed(request, limit);
  if (plain) return "";
  EXPECT_EQ(plain.error().kind, ErrorKind::kInvalid);
  return plain.error().message;
}

TEST(ContentEncoding, ZstdIsTakenApart) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i);
  for (const std::string& body : {std::string(), std::string("{}"), text}) {
    const auto plain = Decompressed(With("ZSTD", Zstd(body)), 1u << 20);
    ASSERT_TRUE(plain) << plain.error().message;
    EXPECT_EQ(plain->body, body);
    EXPECT_EQ(plain->path, "/v1/responses");
  }
  // Frames may follow each other.
  EXPECT_EQ(Decompressed(With("zstd", Zstd("a") + Zstd("b")), 10)->body, "ab");
}

TEST(ContentEncoding, BombsAndRubbishAreRefused) {
  const std::string bomb = Zstd(std::string(8u << 20, 'x'));
  EXPECT_LT(bomb.size(), 10'000u);
  EXPECT_THAT(ErrorOf(With("zstd", bomb)), HasSubstr("over the limit of 1048576 bytes"));
  EXPECT_EQ(ErrorOf(With("zstd", Zstd("12345")), 5), "");
  EXPECT_THAT(ErrorOf(With("zstd", Zstd("123456")), 5), HasSubstr("over the limit of 5 bytes"));
  const std::string good = Zstd("a text");
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(ErrorOf(With("zstd", good.substr(0, size))), HasSubstr("no good zstd")) << size;
  }
  EXPECT_THAT(ErrorOf(With("zstd", "{\"model\":\"m\"}")), HasSubstr("no good zstd"));
  EXPECT_THAT(ErrorOf(With("gzip", "")), HasSubstr("Content-Encoding \"gzip\" is not supported"));
}

TEST(PlainBodies, TogetherTheyHaveABound) {
  PlainBodies bodies(10, 15);
  const Request ten = With("zstd", Zstd(std::string(10, 'x')));
  const Request five = With("zstd", Zstd("12345"));
  int used = 0;
  const auto done = bodies.With(ten, [&](const Request& plain) {
    ++used;
    EXPECT_EQ(plain.body.size(), 10u);
    const auto refused = bodies.With(ten, [&](const Request&) { ++used; });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::kBusy);
    EXPECT_TRUE(bodies.With(five, [&](const Request&) { ++used; }));
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(used, 2);
  // Whatever became of the others, there is room again.
  EXPECT_THROW((void)bodies.With(ten, [](const Request&) { throw std::runtime_error("x"); }),
               std::runtime_error);
  EXPECT_TRUE(bodies.With(ten, [](const Request&) {}));
  EXPECT_EQ(bodies.With(With("gzip", ""), [](const Request&) {}).error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace axollama::net
