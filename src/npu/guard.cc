#include "npu/guard.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/bf16.h"
#include "npu/shapes.h"

namespace axollama::npu {
namespace {

// As bf16 they are +-3e32 to +-2e34: far from any hidden state, and from infinity.
constexpr std::array<uint8_t, 8> kMarks = {0x75, 0xf5, 0x76, 0xf6, 0x77, 0xf7, 0x78, 0xf8};
constexpr float kLeastMark = 0x1p60f;  // layers may scale it

constexpr uint64_t kTailBytes = 64;   // of a hidden state, and of the logits, that are looked at
constexpr uint64_t kStampBytes = 16;  // at least; what is left to the logits is stamp too

uint64_t RoundUp(uint64_t bytes) {
  return (bytes + kBindAlignment - 1) / kBindAlignment * kBindAlignment;
}

bool AllAre(std::span<const std::byte> bytes, std::byte value) {
  return std::all_of(bytes.begin(), bytes.end(), [value](std::byte b) { return b == value; });
}

// Whether every bf16 is a mark, or what layers make of one: itself or no number.
bool Marked(std::span<const std::byte> bytes) {
  for (size_t at = 0; at + 2 <= bytes.size(); at += 2) {
    uint16_t bits;
    std::memcpy(&bits, bytes.data() + at, sizeof bits);
    const float value = std::abs(Bf16ToFloat(bits));
    if (value < kLeastMark) return false;
  }
  return true;
}

tl::unexpected<Error> NotDone(std::string_view what) {
  return Fail(ErrorKind::kDevice,
              fmt::format("the card did not do what was queued ({}) and gave no error: its log "
                          "may say why (`axcl-smi log -t 0x10 -o DIR`)",
                          what));
}

constexpr std::string_view kLayerSkipped = "a layer did not run";

}  // namespace

std::byte Marks::Next() { return std::byte{kMarks[next_++ % kMarks.size()]}; }

Result<Guard> Guard::Make(device::Device& device, size_t layers, uint64_t hidden_bytes,
                          uint64_t logits_bytes) {
  Guard guard;
  guard.stride_bytes_ = RoundUp(hidden_bytes);
  guard.logits_bytes_ = logits_bytes;
  guard.tail_bytes_ = std::min(kTailBytes, hidden_bytes);
  const uint64_t hidden_end = layers * guard.stride_bytes_ + hidden_bytes;
  guard.down_at_ = hidden_end - guard.tail_bytes_;
  guard.logits_at_ = RoundUp(hidden_end + kStampBytes);
  guard.armed_bytes_ = guard.logits_at_ + std::min(kTailBytes, logits_bytes);
  const uint64_t size_bytes = guard.logits_at_ + logits_bytes;
  AX_ASSIGN_OR_RETURN(guard.block_, Buffer::Allocate(device, size_bytes));
  guard.host_.resize(size_bytes - guard.down_at_);
  return guard;
}

Status Guard::Arm(Link& link) {
  mark_ = marks_.Next();
  return link.Fill(block_.address(), std::to_integer<uint8_t>(mark_), armed_bytes_);
}

Status Guard::Collect(Link& link, bool with_logits) {
  const uint64_t stamp_end = logits_at_ - down_at_;
  const std::span<std::byte> down = std::span(host_).first(with_logits ? host_.size() : stamp_end);
  AX_RETURN_IF_ERROR(link.CopyDown(down, block_.address() + down_at_));
  AX_RETURN_IF_ERROR(link.Wait());
  if (!AllAre(down.subspan(tail_bytes_, stamp_end - tail_bytes_), mark_)) {
    return NotDone("copies were dropped");
  }
  if (Marked(down.first(tail_bytes_))) return NotDone(kLayerSkipped);
  if (with_logits && AllAre(raw_logits().first(std::min(kTailBytes, logits_bytes_)), mark_)) {
    return NotDone("the post model did not run");
  }
  return {};
}

void RowGuard::Begin(uint64_t row_bytes) {
  row_bytes_ = row_bytes;
  mark_ = marks_.Next();
}

Status RowGuard::Arm(Link& link, device::Address row) {
  return link.Fill(row, std::to_integer<uint8_t>(mark_), row_bytes_);
}

Status RowGuard::Collect(Link& link, device::Address row) {
  const std::span<std::byte> tail =
      std::span(tail_).first(std::min<uint64_t>(kTailBytes, row_bytes_));
  return CollectRow(link, row + (row_bytes_ - tail.size()), tail);
}

Status RowGuard::CollectRow(Link& link, device::Address row, std::span<std::byte> to) {
  const std::span<std::byte> tail = to.last(std::min(kTailBytes, to.size()));
  std::fill(tail.begin(), tail.end(), mark_);  // stays if the copy is dropped
  AX_RETURN_IF_ERROR(link.CopyDown(to, row));
  AX_RETURN_IF_ERROR(link.Wait());
  if (Marked(tail)) return NotDone(kLayerSkipped);
  return {};
}

}  // namespace axollama::npu
