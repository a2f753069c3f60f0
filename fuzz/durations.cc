// keep_alive in Go's duration grammar.
#include "api/keep_alive.h"
#include "fuzz/input.h"

namespace api = axollama::api;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  fuzz::Check(api::ParseDuration(text));
  fuzz::Check(api::ParseKeepAliveText(text));
  return 0;
}
