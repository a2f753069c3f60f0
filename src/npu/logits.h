// One row of logits [vocab], as the card gave them: bf16 or float. They become floats where they
// are looked at, a block at a time in the processor's nearest cache: a copy of 150,000 would take
// longer than choosing among them.
//
// A view: it lives as long as the bytes it was made of. Threads: any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/bf16.h"

namespace axollama::npu {

class Logits {
 public:
  static constexpr size_t kBlock = 1024;

  Logits() = default;
  // Implicit, both: floats are logits already.
  Logits(std::span<const float> floats) : Logits(std::as_bytes(floats), sizeof(float)) {}
  Logits(const std::vector<float>& floats) : Logits(std::span(floats)) {}
  // `each_bytes` 2: bf16; 4: float. Of whole ones.
  Logits(std::span<const std::byte> bytes, uint32_t each_bytes)
      : bytes_(bytes), each_bytes_(each_bytes) {}

  size_t size() const { return bytes_.size() / each_bytes_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  float operator[](size_t id) const {
    float value;
    Read(id, {&value, 1});
    return value;
  }

  // to[i] is that of token `first` + i; all of `to` must exist.
  void Read(size_t first, std::span<float> to) const {
    const std::byte* const from = bytes_.data() + first * each_bytes_;
    if (each_bytes_ == sizeof(float)) {
      std::memcpy(to.data(), from, to.size_bytes());
    } else {
      Bf16ToFloats({reinterpret_cast<const uint16_t*>(from), to.size()}, to.data());
    }
  }

  // The greatest of the `count` ones from `first` on, all of which exist. -infinity when there is
  // none above; a NaN is never the greatest. Faster than reading them.
  float Greatest(size_t first, size_t count) const;

  // use(first, floats) for each block in order, at most kBlock at a time.
  template <typename Use>
  void ForEachBlock(const Use& use) const {
    float room[kBlock];
    for (size_t first = 0; first < size(); first += kBlock) {
      const std::span<float> block(room, std::min(kBlock, size() - first));
      Read(first, block);
      use(first, std::span<const float>(block));
    }
  }

 private:
  std::span<const std::byte> bytes_;
  uint32_t each_bytes_ = sizeof(float);
};

}  // namespace axollama::npu
