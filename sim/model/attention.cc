#include "sim/model/attention.h"

#include <algorithm>
#include <cstring>

namespace axsim::model {
namespace {

// The bf16 bits of -30000, rounded down in magnitude. As unsigned numbers, everything below is
// positive or a smaller negative number.
constexpr uint16_t kFirstMasked = 0xC6EA;

bool IsVisible(uint16_t mask) { return mask < kFirstMasked; }

// The end of the stretch of equal mask bits that begins at `at`: four at a time.
size_t SkipEqual(const uint16_t* mask, size_t at, size_t end) {
  const uint16_t bits = mask[at];
  const uint64_t four = bits * 0x0001000100010001u;
  for (; at + 4 <= end; at += 4) {
    uint64_t next;
    std::memcpy(&next, mask + at, sizeof(next));
    if (next != four) break;
  }
  while (at < end && mask[at] == bits) ++at;
  return at;
}

}  // namespace

bool SeesAnything(const AttentionRows& rows, size_t row) {
  const size_t total = rows.history + rows.rows;
  const uint16_t* mask = rows.mask + row * total;
  for (size_t at = 0; at < total; at = SkipEqual(mask, at, total)) {
    if (IsVisible(mask[at])) return true;
  }
  return false;
}

size_t FindVisible(const AttentionRows& rows, size_t row, VisibleRun* runs) {
  const size_t total = rows.history + rows.rows;
  const uint16_t* mask = rows.mask + row * total;
  const int64_t window = rows.sliding_window;
  const int64_t oldest = window == 0 ? INT64_MIN : int64_t{rows.indices[row]} - window + 1;
  size_t count = 0;
  auto add = [&](const uint16_t* k, const uint16_t* v, size_t first, size_t n) {
    const uint16_t* from = k + first * rows.width;
    if (count > 0 && runs[count - 1].k + runs[count - 1].count * rows.width == from) {
      runs[count - 1].count += static_cast<uint32_t>(n);
    } else {
      runs[count++] = {from, v + first * rows.width, static_cast<uint32_t>(n)};
    }
  };
  // History: row s holds position s.
  size_t at = oldest <= 0 ? 0 : std::min(static_cast<size_t>(oldest), rows.history);
  while (at < rows.history) {
    const size_t end = SkipEqual(mask, at, rows.history);
    if (IsVisible(mask[at])) add(rows.k_cache, rows.v_cache, at, end - at);
    at = end;
  }
  const size_t history_runs = count;
  at = rows.history;
  while (at < total) {
    size_t end = SkipEqual(mask, at, total);
    if (IsVisible(mask[at])) {
      const size_t first = at - rows.history;
      if (rows.indices[first] < oldest) {
        end = at + 1;
      } else {
        if (window != 0) end = at + 1;
        // A chunk never continues a run of the history, even where the buffers touch.
        if (count == history_runs) {
          runs[count++] = {rows.k_own + first * rows.width, rows.v_own + first * rows.width,
                           static_cast<uint32_t>(end - at)};
        } else {
          add(rows.k_own, rows.v_own, first, end - at);
        }
      }
    }
    at = end;
  }
  return count;
}

void Attend(const kernels::Kernels& kernels, std::span<const VisibleRun> runs, size_t column,
            size_t width, const float* q, size_t heads, size_t dim, float scale, float* scores,
            float* out) {
  size_t visible = 0;
  for (const VisibleRun& run : runs) visible += run.count;
  std::fill_n(out, heads * dim, 0.0f);
  if (visible == 0) return;
  for (size_t first = 0; first < heads; first += kHeadsAtOnce) {
    const size_t n = std::min(kHeadsAtOnce, heads - first);
    float* mixed = out + first * dim;
    size_t at = 0;
    for (const VisibleRun& run : runs) {
      kernels.scores(q + first * dim, n, run.k + column, width, run.count, dim, scale, scores + at,
                     visible);
      at += run.count;
    }
    float sums[kHeadsAtOnce];
    for (size_t h = 0; h < n; ++h) sums[h] = kernels.softmax(scores + h * visible, visible);
    at = 0;
    for (const VisibleRun& run : runs) {
      kernels.mix(scores + at, visible, n, run.v + column, width, run.count, dim, mixed);
      at += run.count;
    }
    for (size_t h = 0; h < n; ++h) {
      for (size_t d = 0; d < dim; ++d) mixed[h * dim + d] /= sums[h];
    }
  }
}

}  // namespace axsim::model
