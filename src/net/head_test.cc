#include "net/head.h"

#include <gtest/gtest.h>

namespace axollama::net {
namespace {

HeadResult<RequestHead> Parse(const std::string& block) {
  size_t scanned = 0;
  if (ScanHead(block, &scanned) != HeadScan::kEnd) {
    return tl::unexpected<HeadError>(HeadError{0, "not a whole head"});
  }
  return ParseRequestHead(std::string_view(block).substr(0, scanned));
}

TEST(Head, ReadsARequest) {
  const auto head = Parse("POST /a%20b?x=%20 HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "POST");
  EXPECT_EQ(head->path, "/a b");
  EXPECT_EQ(head->query, "x=%20");
  EXPECT_EQ(head->content_length, 12u);
  EXPECT_TRUE(head->keep_alive);
  EXPECT_FALSE(head->chunked);
  EXPECT_EQ(head->headers.Get("host"), "h");
}

TEST(Head, ReadsVersionsAndConnection) {
  EXPECT_FALSE(Parse("GET / HTTP/1.0\r\n\r\n")->keep_alive);
  EXPECT_TRUE(Parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")->keep_alive);
  EXPECT_FALSE(Parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, close\r\n\r\n")->keep_alive);
}

TEST(Head, TakesTheHostOfAnAbsoluteTarget) {
  const auto head = Parse("GET http://real:1/p?q HTTP/1.1\r\nHost: other\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->headers.Get("Host"), "real:1");
  EXPECT_EQ(head->path, "/p");
  EXPECT_EQ(head->query, "q");
  EXPECT_EQ(Parse("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n")->path, "/");
  EXPECT_EQ(Parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")->path, "*");
}

TEST(Head, RefusesWhatCouldBeReadInTwoWays) {
  const char* const kBad[] = {
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
      "chunked\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n",
      "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nX\t: a\r\n\r\n",
      "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nnocolon\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nX(y): a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
      "GET / http/1.1\r\nHost: h\r\n\r\n",
      "GET /\r\n\r\n",
      "G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET example HTTP/1.1\r\nHost: h\r\n\r\n",
      "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%1 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%0d%0a HTTP/1.1\r\nHost: h\r\n\r\n",
  };
  for (const char* block : kBad) {
    const auto head = Parse(block);
    ASSERT_FALSE(head) << block;
    EXPECT_EQ(head.error().status, 400) << block;
    EXPECT_FALSE(head.error().message.empty());
  }
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n").error().status, 417);
}

TEST(Head, ScanFindsForbiddenBytesAtOnce) {
  for (const std::string& text :
       {std::string("GET / HTTP/1.1\nHost: h\n\n"), std::string("GET / HTTP/1.1\r\rHost"),
        std::string("GET /\0 HTTP", 11), std::string("\x16\x03\x01\x02"), std::string("\n"),
        std::string("GET / HTTP/1.1\r\nX: \x01"), std::string("GET /\x7f")}) {
    size_t scanned = 0;
    EXPECT_EQ(ScanHead(text, &scanned), HeadScan::kBad) << text;
  }
}

TEST(Head, ScanWorksByteByByte) {
  const std::string text = "GET / HTTP/1.1\r\nHost: h\r\n\r\nrest";
  size_t scanned = 0;
  for (size_t n = 1; n <= text.size(); ++n) {
    const HeadScan scan = ScanHead(std::string_view(text).substr(0, n), &scanned);
    if (n < text.size() - 4) {
      ASSERT_EQ(scan, HeadScan::kMore) << n;
    } else {
      ASSERT_EQ(scan, HeadScan::kEnd);
      EXPECT_EQ(scanned, text.size() - 4);
      return;
    }
  }
}

TEST(Head, ResponsesAreReadToo) {
  const auto head = ParseResponseHead("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 404);
  EXPECT_EQ(head->content_length, 3u);
  EXPECT_FALSE(ParseResponseHead("HTTP/1.1 abc\r\n\r\n"));
  EXPECT_EQ(Reason(404), "Not Found");
  EXPECT_EQ(Reason(799), "Unknown");
}

}  // namespace
}  // namespace axollama::net
