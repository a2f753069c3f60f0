// Several tokens: kPanelRows rows of one block are interleaved to int16 in a panel, and multiplied
// with up to kTileTokens tokens at a time; a lane is a whole output, and nothing is summed across.
#include "sim/kernels/avx512vnni/avx512vnni.h"
#include "sim/kernels/avx512vnni/lanes.h"

namespace axsim::kernels::avx512vnni {
namespace {

constexpr size_t kHalfRows = kPanelRows / 2;  // a register's worth of int32
constexpr size_t kTileTokens = 12;            // with two registers of rows: 24 sums
static_assert(kHalfRows == 16);

inline __m128i LoadRow(const Panel& w, size_t r, size_t c, __mmask16 mask) {
  if (r >= w.rows) return _mm_setzero_si128();
  return _mm_maskz_loadu_epi8(mask, w.codes + r * w.stride + c);
}

// 16 rows x 16 columns of int8 to 8 pairs of columns x 16 rows of int16 pairs.
inline void Interleave(const Panel& w, size_t first_row, size_t c, size_t cols, int16_t* out) {
  const auto mask = static_cast<__mmask16>(cols - c < 16 ? (1u << (cols - c)) - 1 : 0xffffu);
  __m512i in[4];  // register k holds rows k, 4 + k, 8 + k and 12 + k
#pragma GCC unroll 4
  for (size_t k = 0; k < 4; ++k) {
    __m512i v = _mm512_castsi128_si512(LoadRow(w, first_row + k, c, mask));
    v = _mm512_inserti32x4(v, LoadRow(w, first_row + 4 + k, c, mask), 1);
    v = _mm512_inserti32x4(v, LoadRow(w, first_row + 8 + k, c, mask), 2);
    in[k] = _mm512_inserti32x4(v, LoadRow(w, first_row + 12 + k, c, mask), 3);
  }
  const __m512i a[2] = {_mm512_unpacklo_epi16(in[0], in[1]), _mm512_unpackhi_epi16(in[0], in[1])};
  const __m512i b[2] = {_mm512_unpacklo_epi16(in[2], in[3]), _mm512_unpackhi_epi16(in[2], in[3])};
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {  // pairs 2i and 2i + 1
    const __m512i quads = i % 2 == 0 ? _mm512_unpacklo_epi32(a[i / 2], b[i / 2])
                                     : _mm512_unpackhi_epi32(a[i / 2], b[i / 2]);
    const __m512i pairs = _mm512_permutexvar_epi64(order, quads);
    int16_t* to = out + 2 * i * 2 * kPanelRows;
    _mm512_store_si512(to, _mm512_cvtepi8_epi16(_mm512_castsi512_si256(pairs)));
    _mm512_store_si512(to + 2 * kPanelRows,
                       _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(pairs, 1)));
  }
}

// panel [pairs of columns][kPanelRows][2]; rows beyond w.rows and columns beyond `cols` are zero.
void FillPanel(const Panel& w, size_t cols, int16_t* panel) {
  for (size_t half = 0; half < 2; ++half) {
    for (size_t c = 0; c < cols; c += 16) {
      Interleave(w, half * kHalfRows, c, cols, panel + c * kPanelRows + half * 2 * kHalfRows);
    }
  }
}

// Rows that all tokens of a tile are written to.
struct Target {
  float* y;
  size_t stride;
  const float* scales;  // of the tokens' block, scale_stride apart
  size_t scale_stride;
  __mmask16 mask[2];
  __m512 row_scales[2];
  bool first, last;
};

template <int T>
void Tile(const int16_t* panel, const int16_t* x, size_t x_stride, size_t pairs,
          const Target& target) {
  __m512i acc[T][2];
  const int16_t* token[T];
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
    acc[t][0] = acc[t][1] = _mm512_setzero_si512();
    token[t] = x + static_cast<size_t>(t) * x_stride;
  }
  for (size_t p = 0; p < pairs; ++p) {
    const __m512i w0 = _mm512_load_si512(panel);
    const __m512i w1 = _mm512_load_si512(panel + 2 * kHalfRows);
    panel += 2 * kPanelRows;
#pragma GCC unroll 12
    for (int t = 0; t < T; ++t) {
      int32_t pair;
      __builtin_memcpy(&pair, token[t] + 2 * p, sizeof(pair));
      const __m512i v = _mm512_set1_epi32(pair);
      acc[t][0] = _mm512_dpwssd_epi32(acc[t][0], w0, v);
      acc[t][1] = _mm512_dpwssd_epi32(acc[t][1], w1, v);
    }
  }
#pragma GCC unroll 12
  for (int t = 0; t < T; ++t) {
    const __m512 scale =
        _mm512_set1_ps(target.scales[static_cast<size_t>(t) * target.scale_stride]);
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; ++half) {
      float* to = target.y + static_cast<size_t>(t) * target.stride + half * kHalfRows;
      const __mmask16 mask = target.mask[half];
      const __m512 old = target.first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, to);
      __m512 v = _mm512_add_ps(old, _mm512_mul_ps(_mm512_cvtepi32_ps(acc[t][half]), scale));
      if (target.last) v = _mm512_mul_ps(v, target.row_scales[half]);
      _mm512_mask_storeu_ps(to, mask, v);
    }
  }
}

using TileFunction = void (*)(const int16_t*, const int16_t*, size_t, size_t, const Target&);
constexpr TileFunction kTiles[kTileTokens] = {Tile<1>, Tile<2>,  Tile<3>,  Tile<4>,
                                              Tile<5>, Tile<6>,  Tile<7>,  Tile<8>,
                                              Tile<9>, Tile<10>, Tile<11>, Tile<12>};

inline __mmask16 FirstRows(size_t rows, size_t half) {
  const size_t n = rows > half * kHalfRows ? rows - half * kHalfRows : 0;
  return static_cast<__mmask16>(n >= kHalfRows ? 0xffffu : (1u << n) - 1);
}

}  // namespace

void MultiplyPanel(const Panel& w, size_t all_cols, size_t block, const QuantizedRows& x, float* y,
                   size_t y_stride, int16_t* panel) {
  const size_t begin = block * kBlockCols;
  const size_t cols = all_cols - begin < kBlockCols ? all_cols - begin : kBlockCols;
  FillPanel(w, cols, panel);
  Target target;
  target.stride = y_stride;
  target.scale_stride = x.scale_stride;
  target.first = block == 0;
  target.last = begin + cols == all_cols;
  for (size_t half = 0; half < 2; ++half) {
    target.mask[half] = FirstRows(w.rows, half);
    target.row_scales[half] = _mm512_maskz_loadu_ps(target.mask[half], w.scales + half * kHalfRows);
  }
  // Tiles of nearly the same size: a small one at the end would not hide the adder's latency.
  const size_t tiles = (x.tokens + kTileTokens - 1) / kTileTokens;
  size_t t0 = 0;
  for (size_t tile = 0; tile < tiles; ++tile) {
    const size_t tokens = (x.tokens - t0) / (tiles - tile);
    target.y = y + t0 * y_stride;
    target.scales = x.scales + t0 * x.scale_stride + block;
    kTiles[tokens - 1](panel, x.codes + t0 * x.stride + begin, x.stride, (cols + 1) / 2, target);
    t0 += tokens;
  }
}

}  // namespace axsim::kernels::avx512vnni
