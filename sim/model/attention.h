// Attention of one token over the history rows and its chunk's own rows.
//
// Masked rows are skipped before any arithmetic, so that the number of a position among the visible
// ones, not its row, decides where it enters each sum: the same position lies at another row in
// each shape group. Threads: plain functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sim/kernels/kernels.h"

namespace axsim::model {

// Consecutive visible rows, all in the caches or all in the chunk.
struct VisibleRun {
  const uint16_t* k;  // first row, [count, width]
  const uint16_t* v;
  uint32_t count;
};

// What the tokens of a chunk may look at.
struct AttentionRows {
  const uint16_t* k_cache;  // [history, width]
  const uint16_t* v_cache;
  const uint16_t* k_own;  // [rows, width]
  const uint16_t* v_own;
  const uint16_t* mask;     // [rows, history + rows] bf16: masked from -30000 down
  const uint32_t* indices;  // [rows] positions
  size_t history;
  size_t rows;
  size_t width;             // kv_heads * head_dim
  uint32_t sliding_window;  // 0: none
};

// Whether row `row` sees anything at all; padding does not.
bool SeesAnything(const AttentionRows& rows, size_t row);

// The runs that row `row` sees, ascending. Returns their number; `runs` has space for
// (history + rows) / 2 + 2.
size_t FindVisible(const AttentionRows& rows, size_t row, VisibleRun* runs);

constexpr size_t MaxRuns(size_t history, size_t rows) { return (history + rows) / 2 + 2; }
inline constexpr size_t kHeadsAtOnce = 6;

// out [heads, dim] = attention of `heads` queries q [heads, dim] that share the KV head at column
// `column`. scores: scratch of kHeadsAtOnce * (history + rows) floats. No runs: zero.
void Attend(const kernels::Kernels& kernels, std::span<const VisibleRun> runs, size_t column,
            size_t width, const float* q, size_t heads, size_t dim, float scale, float* scores,
            float* out);

}  // namespace axsim::model
