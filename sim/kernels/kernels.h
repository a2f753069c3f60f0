// The arithmetic of the simulated NPU: one table of functions per instruction set.
//
// Every table gives the same bits (NaN payloads aside), and one token gives the same bits as many.
// What fixes them:
//  - s8 matrices: activations are int16 codes with one scale per block of kBlockCols columns. A
//    block's products are summed in int32, exactly (32767 * 128 * 512 < 2^31), and then
//    acc += float(sum) * scale, block by block, starting from 0; y = acc * weight scale of the row.
//  - s4 matrices: code * factor is an int8, and everything else is as in s8.
//  - float sums (bf16 matrices, norms, q.k, the softmax's sum) go to kLanes lanes, element i
//    to lane i % kLanes,
//    with fused multiply-adds in ascending i, and then
//    ((l0+l1)+(l2+l3))+((l4+l5)+(l6+l7)).
//  - the mix of V rows is one fused multiply-add per row, in ascending order.
//  - exp is the polynomial of scalar/math.h.
// NaN and infinity in a row of activations make NaN of everything computed from it.
//
// Shapes: matrices are [rows, cols], row-major; activations [tokens, cols] with a stride in
// elements. Pointers need the alignment of their type only. No function allocates, fails or
// reads beyond its arguments. Threads: stateless.
#pragma once

#include <cstddef>
#include <cstdint>

namespace axsim::kernels {

inline constexpr size_t kBlockCols = 512;
inline constexpr size_t kLanes = 8;

// Static, since files with -m flags include this (see constants.h).
// Codes of one quantised row take this many elements: the end is zero.
static constexpr size_t PaddedCols(size_t cols) { return (cols + 63) / 64 * 64; }
static constexpr size_t BlockCount(size_t cols) { return (cols + kBlockCols - 1) / kBlockCols; }

// s4 rows come in spans of 64 columns: 32 bytes of codes and one of factors.
static constexpr size_t S4Spans(size_t cols) { return (cols + 63) / 64; }

// Rows of a matrix that a gemm takes at a time, at most; best called with a multiple of it.
inline constexpr size_t kPanelRows = 32;

// Scratch of a gemm call: kPanelRows rows of one block as int16 and as int8, or 4 rows of bf16 as
// float; of one token, whatever form of its codes suits the multiplier, in at most 16 bytes each.
static constexpr size_t PanelBytes(size_t cols) {
  const size_t s8 = kPanelRows * kBlockCols * (sizeof(int16_t) + sizeof(int8_t));
  const size_t bf16 = 4 * PaddedCols(cols) * sizeof(float);
  return s8 > bf16 ? s8 : bf16;
}

enum class Gate { kSilu, kGeluTanh };

struct S8Matrix {
  const int8_t* codes;  // [rows, cols]
  const float* scales;  // [rows]
  size_t rows;
  size_t cols;
};

// Layout of the codes and factors: sim/spec/program.h.
struct S4Matrix {
  const uint8_t* codes;    // [rows, 32 * S4Spans(cols)]
  const uint8_t* factors;  // [rows, S4Spans(cols)]
  const float* scales;     // [rows]
  size_t rows;
  size_t cols;
};

struct Bf16Matrix {
  const uint16_t* values;  // [rows, cols]
  size_t rows;
  size_t cols;
};

struct QuantizedRows {
  const int16_t* codes;  // [tokens, stride], stride >= PaddedCols(cols)
  size_t stride;
  const float* scales;  // [tokens, scale_stride], one per block
  size_t scale_stride;
  size_t tokens;
};

struct FloatRows {
  const float* values;  // [tokens, stride]
  size_t stride;
  size_t tokens;
};

struct Kernels {
  const char* name;

  // codes [PaddedCols(cols)], scales [BlockCount(cols)].
  void (*quantize)(const float* x, size_t cols, int16_t* codes, float* scales);

  // y[t * y_stride + r] = row r . token t. panel: PanelBytes(cols), 64-byte aligned.
  void (*s8_matmul)(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride,
                    void* panel);
  void (*s4_matmul)(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride,
                    void* panel);
  void (*bf16_matmul)(const Bf16Matrix& w, const FloatRows& x, float* y, size_t y_stride,
                      void* panel);

  // out = x / sqrt(mean(x^2) + eps) * weight; out may be x.
  void (*rms_norm)(const float* x, const float* weight, size_t n, float eps, float* out);

  // out[h * out_stride + i] = scale * (q_h . k_i) for `heads` queries q_h = q + h * dim and `rows`
  // rows k_i = k + i * k_stride (bf16). dim is a multiple of 8.
  void (*scores)(const float* q, size_t heads, const uint16_t* k, size_t k_stride, size_t rows,
                 size_t dim, float scale, float* out, size_t out_stride);

  // s = exp(s - max(s)); returns the sum.
  float (*softmax)(float* s, size_t n);

  // out[h * dim + d] += sum over i of p[h * p_stride + i] * v_i[d], v_i = v + i * v_stride (bf16).
  void (*mix)(const float* p, size_t p_stride, size_t heads, const uint16_t* v, size_t v_stride,
              size_t rows, size_t dim, float* out);

  // gate = activation(gate) * up
  void (*activate)(Gate kind, float* gate, const float* up, size_t n);

  // The multiply-adds of s8_matmul on registers alone, for the machine's peak: does some for each
  // turn, returns how many.
  uint64_t (*multiply_adds)(uint64_t turns);
};

// The table of that name, or null if this program or this CPU lacks it. "auto" is the fastest.
const Kernels* Find(const char* name);

// Names of what this CPU can run, fastest first, ended by null.
const char* const* Available();

}  // namespace axsim::kernels
