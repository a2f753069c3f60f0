// The JSON face: what is read is written and read back the same.
#include "base/json.h"

#include <algorithm>
#include <cmath>

#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;
namespace json = axollama::json;

namespace {

// Numbers may move in their last bits, since Boost.JSON 1.81 reads long ones inexactly; those
// beyond a double's range are read as infinite, for which JSON has no word.
bool Same(const json::Value& a, const json::Value& b) {
  if (a.is_double() && !std::isfinite(a.get_double())) return b.is_null();
  if (a.is_number()) return b.is_number();
  if (a.kind() != b.kind()) return false;
  if (a.is_array()) {
    const json::Array& left = a.get_array();
    const json::Array& right = b.get_array();
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), Same);
  }
  if (a.is_object()) {
    const json::Object& left = a.get_object();
    const json::Object& right = b.get_object();
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](const auto& x, const auto& y) {
                        return x.key() == y.key() && Same(x.value(), y.value());
                      });
  }
  return a == b;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto value = json::Parse(fuzz::Text(data, size));
  if (!fuzz::Check(value)) return 0;
  const auto again = json::Parse(json::Write(*value));
  fuzz::Require(again.has_value(), "JSON that was written can be read");
  fuzz::Require(Same(*value, *again), "JSON that was written is read as it was");
  return 0;
}
