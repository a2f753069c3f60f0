#include "net/head.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <exception>

namespace axollama::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

tl::unexpected<HeadError> Bad(std::string message, int status = 400) {
  return tl::unexpected<HeadError>(HeadError{status, std::move(message)});
}

size_t CountLines(std::string_view block) {
  return static_cast<size_t>(std::count(block.begin(), block.end(), '\n'));
}

// The lines between the first and the empty one: `name: value`, nothing before the name or between
// it and the colon. Beast would join folded lines.
std::optional<std::string> CheckFieldLines(std::string_view block) {
  size_t at = block.find("\r\n");
  while (at != std::string_view::npos) {
    at += 2;
    const size_t end = block.find("\r\n", at);
    if (end == std::string_view::npos || end == at) break;
    const std::string_view line = block.substr(at, end - at);
    if (line.front() == ' ' || line.front() == '\t') return "folded header lines are not accepted";
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return "a header line has no colon";
    if (colon == 0) return "a header line has no name";
    if (line.substr(0, colon).find_first_of(" \t") != std::string_view::npos) {
      return "a header name holds a space";
    }
    at = end;
  }
  return std::nullopt;
}

std::string ToString(boost::beast::string_view text) { return {text.data(), text.size()}; }

template <typename Fields>
Headers Collect(const Fields& fields) {
  Headers headers;
  for (const auto& field : fields) {
    headers.list.emplace_back(ToString(field.name_string()), ToString(field.value()));
  }
  return headers;
}

size_t Count(const Headers& headers, std::string_view name) {
  size_t count = 0;
  for (const auto& [key, value] : headers.list) count += SameName(key, name) ? 1 : 0;
  return count;
}

// How long the body is; both kinds of message say it the same way.
std::optional<std::string> ReadFraming(const Headers& headers, bool* chunked,
                                       std::optional<uint64_t>* length) {
  const size_t lengths = Count(headers, "Content-Length");
  const size_t encodings = Count(headers, "Transfer-Encoding");
  if (lengths > 0 && encodings > 0) {
    return "both Content-Length and Transfer-Encoding were given";
  }
  if (lengths > 1) return "more than one Content-Length was given";
  if (encodings > 1) return "more than one Transfer-Encoding was given";
  if (encodings == 1) {
    if (!SameName(headers.Get("Transfer-Encoding"), "chunked")) {
      return "the only Transfer-Encoding accepted is chunked";
    }
    *chunked = true;
  }
  if (lengths == 1) {
    const std::string_view text = headers.Get("Content-Length");
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      return "Content-Length is not a number";
    }
    *length = value;
  }
  return std::nullopt;
}

// Splits the request target into path and query; an absolute one (as proxies send) also replaces
// the Host header.
std::optional<std::string> ReadTarget(std::string_view target, RequestHead* head) {
  if (target == "*" && head->method == "OPTIONS") {
    head->path.assign(1, '*');
    return std::nullopt;
  }
  if (target.empty() || target.front() != '/') {
    const size_t scheme = target.find("://");
    const std::string_view name = target.substr(0, scheme);
    if (scheme == std::string_view::npos || !(SameName(name, "http") || SameName(name, "https"))) {
      return "the request target must be a path";
    }
    target.remove_prefix(scheme + 3);
    const size_t path = target.find_first_of("/?");
    head->headers.Set("Host", std::string(target.substr(0, path)));
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  const size_t question = target.find('?');
  if (question != std::string_view::npos) {
    head->query = std::string(target.substr(question + 1));
    target = target.substr(0, question);
  }
  auto decoded = PercentDecode(target.empty() ? "/" : target);
  if (!decoded) return "the path holds a bad percent escape";
  head->path = std::move(*decoded);
  return std::nullopt;
}

template <typename Parser>
std::optional<std::string> Put(Parser& parser, std::string_view block) {
  parser.header_limit(static_cast<uint32_t>(kMaxHeadBytes + 1));
  parser.body_limit(boost::none);
  boost::system::error_code error;
  parser.put(asio::buffer(block.data(), block.size()), error);
  if (error && error != http::error::need_more) return error.message();
  if (!parser.is_header_done()) return "the header is incomplete";
  return std::nullopt;
}

}  // namespace

HeadScan ScanHead(std::string_view data, size_t* scanned) {
  for (size_t at = *scanned; at < data.size(); ++at) {
    const unsigned char c = static_cast<unsigned char>(data[at]);
    if (c == '\n') {
      if (at == 0 || data[at - 1] != '\r') return HeadScan::kBad;
      if (at >= 3 && data.substr(at - 3, 4) == "\r\n\r\n") {
        *scanned = at + 1;
        return HeadScan::kEnd;
      }
    } else if (at > 0 && data[at - 1] == '\r') {
      return HeadScan::kBad;
    } else if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) {
      return HeadScan::kBad;
    }
  }
  *scanned = data.size();
  return HeadScan::kMore;
}

HeadResult<RequestHead> ParseRequestHead(std::string_view block) try {
  if (CountLines(block) > kMaxHeaders + 2) {  // the first line and the empty one
    return Bad(fmt::format("the request has more than {} headers", kMaxHeaders), 431);
  }
  if (auto wrong = CheckFieldLines(block)) return Bad(std::move(*wrong));
  http::request_parser<http::empty_body> parser;
  if (auto wrong = Put(parser, block)) return Bad("malformed request: " + *wrong);
  const auto& message = parser.get();
  RequestHead head;
  head.method = ToString(message.method_string());
  head.headers = Collect(message.base());
  head.http_1_0 = message.version() == 10;
  head.keep_alive = message.keep_alive();
  if (auto wrong = ReadFraming(head.headers, &head.chunked, &head.content_length)) {
    return Bad(std::move(*wrong));
  }
  if (head.chunked && head.http_1_0) return Bad("HTTP/1.0 knows no Transfer-Encoding");
  const size_t hosts = Count(head.headers, "Host");
  if (hosts > 1) return Bad("more than one Host was given");
  if (hosts == 0 && !head.http_1_0) return Bad("the Host header is missing");
  if (auto wrong = ReadTarget({message.target().data(), message.target().size()}, &head)) {
    return Bad(std::move(*wrong));
  }
  const std::string_view expect = head.headers.Get("Expect");
  if (!expect.empty() && !head.http_1_0) {
    if (!SameName(expect, "100-continue")) return Bad("unknown expectation", 417);
    head.expect_continue = true;
  }
  return head;
} catch (const std::exception& e) {
  return Bad(std::string("malformed request: ") + e.what());
}

HeadResult<ResponseHead> ParseResponseHead(std::string_view block) try {
  if (auto wrong = CheckFieldLines(block)) return Bad(std::move(*wrong));
  http::response_parser<http::empty_body> parser;
  if (auto wrong = Put(parser, block)) return Bad("malformed response: " + *wrong);
  ResponseHead head;
  head.status = static_cast<int>(parser.get().result_int());
  head.headers = Collect(parser.get().base());
  if (auto wrong = ReadFraming(head.headers, &head.chunked, &head.content_length)) {
    return Bad(std::move(*wrong));
  }
  return head;
} catch (const std::exception& e) {
  return Bad(std::string("malformed response: ") + e.what());
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out.push_back(text[at]);
      continue;
    }
    if (text.size() - at < 3) return std::nullopt;
    unsigned value = 0;
    const char* digits = text.data() + at + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
    if (error != std::errc() || end != digits + 2) return std::nullopt;
    if (value < 0x20 || value == 0x7f) return std::nullopt;
    out.push_back(static_cast<char>(value));
    at += 2;
  }
  return out;
}

std::string_view Reason(int status) {
  if (status == 499) return "Client Closed Request";
  const auto reason = http::obsolete_reason(static_cast<http::status>(status));
  return reason.empty() || reason.front() == '<' ? std::string_view("Unknown")
                                                 : std::string_view(reason.data(), reason.size());
}

}  // namespace axollama::net
