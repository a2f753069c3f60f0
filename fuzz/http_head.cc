// The head of an HTTP message, as it comes in and as it is taken apart.
#include "net/head.h"

#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;
namespace net = axollama::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  size_t scanned = 0;
  const net::HeadScan whole = net::ScanHead(text, &scanned);
  size_t stepped = 0;
  net::HeadScan steps = net::HeadScan::kMore;
  for (size_t have = 0; have <= size && steps == net::HeadScan::kMore; ++have) {
    steps = net::ScanHead(text.substr(0, have), &stepped);
  }
  fuzz::Require(steps == whole, "a head is found however it is cut");
  net::PercentDecode(text);
  if (whole != net::HeadScan::kEnd) return 0;
  fuzz::Require(scanned <= size && stepped == scanned, "the head ends in the data");
  const std::string_view block = text.substr(0, scanned);
  const auto request = net::ParseRequestHead(block);
  fuzz::Require(request || (request.error().status >= 400 && request.error().status < 600),
                "a bad request has a status");
  fuzz::Require(!request || !(request->chunked && request->content_length),
                "a body has one kind of length");
  const auto response = net::ParseResponseHead(block);
  fuzz::Require(!response || !(response->chunked && response->content_length),
                "a body has one kind of length");
  return 0;
}
