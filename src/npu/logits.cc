#include "npu/logits.h"

#include <iterator>
#include <limits>

namespace axollama::npu {
namespace {

constexpr float kLeast = -std::numeric_limits<float>::infinity();
constexpr int16_t kInfinity = 0x7f80;  // as bf16

// In lanes, of which compilers make wide instructions.
template <size_t kLanes, typename Number, typename Read>
Number GreatestOf(size_t count, Number least, const Read& read) {
  const auto greater = [](Number x, Number than) { return x > than ? x : than; };
  Number lanes[kLanes];
  std::fill(std::begin(lanes), std::end(lanes), least);
  size_t at = 0;
  for (; at + kLanes <= count; at += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = greater(read(at + lane), lanes[lane]);
  }
  Number most = least;
  for (const Number lane : lanes) most = greater(lane, most);
  for (; at < count; ++at) most = greater(read(at), most);
  return most;
}

// Of bf16 numbers and of these integers the same ones are greater; it is its own reverse. Below
// those of -infinity and above those of infinity lie the NaNs.
int16_t InOrder(int16_t bits) { return static_cast<int16_t>(bits ^ ((bits >> 15) & 0x7fff)); }

}  // namespace

float Logits::Greatest(size_t first, size_t count) const {
  const std::byte* const from = bytes_.data() + first * each_bytes_;
  if (each_bytes_ == sizeof(float)) {
    const float* const floats = reinterpret_cast<const float*>(from);
    return GreatestOf<16>(count, kLeast, [floats](size_t at) { return floats[at]; });
  }
  const int16_t* const bits = reinterpret_cast<const int16_t*>(from);
  const int16_t most = GreatestOf<32>(count, InOrder(static_cast<int16_t>(kInfinity | 0x8000)),
                                      [bits](size_t at) { return InOrder(bits[at]); });
  if (most <= kInfinity) return Bf16ToFloat(static_cast<uint16_t>(InOrder(most)));
  return GreatestOf<16>(count, kLeast,
                        [bits](size_t at) { return Bf16ToFloat(static_cast<uint16_t>(bits[at])); });
}

}  // namespace axollama::npu
