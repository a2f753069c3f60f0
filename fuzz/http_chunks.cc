// A chunked body, whole and cut at every byte: both give the same.
#include "net/chunks.h"

#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;
namespace net = axollama::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  net::ChunkDecoder whole;
  std::string whole_out;
  const auto used = whole.Feed(text, &whole_out);
  fuzz::Require(!used || *used <= size, "no more is used than there is");
  fuzz::Require(whole_out.size() <= size, "a body is no longer than its chunks");

  net::ChunkDecoder steps;
  std::string steps_out;
  size_t begin = 0;
  bool failed = false;
  for (size_t end = 1; end <= size && !failed && !steps.done(); ++end) {
    const auto step = steps.Feed(text.substr(begin, end - begin), &steps_out);
    failed = !step;
    if (step) begin += *step;
  }
  fuzz::Require(failed == !used, "a body is good or bad however it is cut");
  if (failed) return 0;
  fuzz::Require(steps_out == whole_out && steps.done() == whole.done() && begin == *used,
                "a body is the same however it is cut");
  return 0;
}
