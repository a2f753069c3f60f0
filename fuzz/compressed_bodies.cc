// Bodies with a Content-Encoding. The first byte says which; the rest is the body.
#include "fuzz/input.h"
#include "net/content_encoding.h"

namespace fuzz = axollama::fuzz;
namespace net = axollama::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kLimit = 1u << 20;
  if (size == 0) return 0;
  net::Request request;
  request.headers.Set("Content-Encoding", data[0] == 'g' ? "gzip" : "zstd");
  request.body = fuzz::Text(data + 1, size - 1);
  const auto plain = net::Decompressed(request, kLimit);
  if (fuzz::Check(plain)) fuzz::Require(plain->body.size() <= kLimit, "a body keeps to its limit");
  return 0;
}
