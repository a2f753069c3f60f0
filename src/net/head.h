// The heads of HTTP/1.1 messages, checked strictly.
//
// What two parsers could read differently is refused, so that nobody behind a proxy can smuggle a
// second request into the first: bare CR or LF, control bytes, folded lines, spaces around header
// names, more than one length, lengths that are not digits, encodings other than one `chunked`.
// Private to this room. The grammar itself is Boost.Beast's, which only head.cc includes.
// Threads: plain functions and values.
// Source: RFC 9112.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "net/http.h"

namespace axollama::net {

inline constexpr size_t kMaxHeadBytes = 64u << 10;
inline constexpr size_t kMaxHeaders = 128;

enum class HeadScan { kMore, kEnd, kBad };

// Looks for the end of the head at the front of `data`. *scanned is where the last call stopped
// (0 at first); at kEnd it is the size of the head, its empty line included. kBad: a byte that no
// head may hold, as soon as it arrives.
HeadScan ScanHead(std::string_view data, size_t* scanned);

struct HeadError {
  int status = 400;
  std::string message;
};
template <typename T>
using HeadResult = tl::expected<T, HeadError>;

struct RequestHead {
  std::string method;
  std::string path;   // percent-decoded
  std::string query;  // raw
  Headers headers;
  bool http_1_0 = false;
  bool keep_alive = false;
  bool chunked = false;
  std::optional<uint64_t> content_length;
  bool expect_continue = false;
};
// `block` is what ScanHead found.
HeadResult<RequestHead> ParseRequestHead(std::string_view block);

struct ResponseHead {
  int status = 0;
  Headers headers;
  bool chunked = false;
  std::optional<uint64_t> content_length;
};
HeadResult<ResponseHead> ParseResponseHead(std::string_view block);

// Decodes %XX. Nothing for a bad escape or one that stands for a control byte.
std::optional<std::string> PercentDecode(std::string_view text);

// "Not Found"; "Unknown" for a status without a name.
std::string_view Reason(int status);

}  // namespace axollama::net
