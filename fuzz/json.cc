// The JSON face: what is read is written and read back the same.
#include "base/json.h"

#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;
namespace json = axollama::json;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto value = json::Parse(fuzz::Text(data, size));
  if (!fuzz::Check(value)) return 0;
  const std::string written = json::Write(*value);
  const auto again = json::Parse(written);
  fuzz::Require(again.has_value(), "JSON that was written can be read");
  fuzz::Require(json::Write(*again) == written, "JSON is written the same again");
  return 0;
}
