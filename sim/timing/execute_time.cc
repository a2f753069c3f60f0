#include "sim/timing/execute_time.h"

#include <algorithm>
#include <cmath>

#include "sim/timing/costs.h"

namespace axsim::timing {
namespace {

using spec::WeightType;

constexpr double kCacheElementBytes = 2;  // bf16

double WeightBytes(WeightType type) {
  switch (type) {
    case WeightType::kS8:
      return 1.0;
    case WeightType::kBf16:
      return kBf16WeightBytes;
    case WeightType::kS4:
      return kS4WeightBytes;
  }
  return 1.0;
}

int64_t LayerReferenceNs(WeightType type) {
  switch (type) {
    case WeightType::kS8:
      return kLayerS8Ns;
    case WeightType::kBf16:
      return kLayerBf16Ns;
    case WeightType::kS4:
      return kLayerS4Ns;
  }
  return kLayerS8Ns;
}

// What a layer's time depends on.
struct LayerSize {
  double weights = 0;      // values of its matrices
  double q_columns = 0;    // heads * head_dim
  double cache_bytes = 0;  // of one cache row, K and V
};

LayerSize MakeLayerSize(double hidden, double heads, double kv_heads, double head_dim, double ffn) {
  const double q = heads * head_dim;
  const double kv = kv_heads * head_dim;
  return {hidden * (2 * q + 2 * kv + 3 * ffn), q, 2 * kv * kCacheElementBytes};
}

LayerSize SizeOf(const spec::Program& p) {
  return MakeLayerSize(p.hidden, p.heads, p.kv_heads, p.head_dim, p.ffn);
}

LayerSize ReferenceLayer() {
  return MakeLayerSize(kReferenceHidden, kReferenceHeads, kReferenceKvHeads, kReferenceHeadDim,
                       kReferenceFfn);
}

// A measured time, moved by the bytes that this shape has more or less than the measured one.
double Streamed(int64_t reference_ns, double reference_bytes, double bytes) {
  const double ns =
      static_cast<double>(reference_ns) + (bytes - reference_bytes) / kMemoryBytesPerNs;
  return std::max(ns, static_cast<double>(kFixedNs));
}

double RowNs(const spec::Program& program, double history) {
  const LayerSize reference = ReferenceLayer();
  const LayerSize size = SizeOf(program);
  const double bytes = WeightBytes(program.weights);
  return Streamed(LayerReferenceNs(program.weights),
                  reference.weights * bytes + kReferenceRows * reference.cache_bytes,
                  size.weights * bytes + history * size.cache_bytes);
}

// Of the matrices alone.
double ArithmeticNs(double rows, double weights) {
  return static_cast<double>(kFirstChunkNs - kFixedNs) * rows * weights /
         (kChunkRows * ReferenceLayer().weights);
}

// Many rows are bound by arithmetic, but no faster than one row, which reads the same bytes.
double LayerNs(const spec::Program& program, double rows, double history) {
  const double row_ns = RowNs(program, history);
  if (rows <= 1) return row_ns;
  const LayerSize reference = ReferenceLayer();
  const LayerSize size = SizeOf(program);
  const double own = ArithmeticNs(rows, size.weights);
  const double past = static_cast<double>(kLastChunkNs - kFirstChunkNs) * rows * history *
                      size.q_columns /
                      (static_cast<double>(kChunkRows * kLastChunkHistory) * reference.q_columns);
  return std::max(row_ns, static_cast<double>(kFixedNs) + own + past);
}

double PostNs(const spec::Program& program, double rows) {
  constexpr double kReference = static_cast<double>(kReferenceVocab * kReferenceHidden);
  const double values = static_cast<double>(program.vocab) * program.hidden;  // none without a head
  const double row_ns = Streamed(kPostNs, kReference, values * WeightBytes(program.weights));
  if (rows <= 1) return row_ns;
  return std::max(row_ns, static_cast<double>(kFixedNs) + ArithmeticNs(rows, values));
}

// One execute has one fixed part, however many parts it runs.
double StackNs(const spec::Program& program, double rows, double history) {
  constexpr double kFixed = static_cast<double>(kFixedNs);
  double ns = kFixed;
  for (const spec::Program& part : program.parts) {
    const bool post = part.kind == spec::Kind::kPost;
    ns += (post ? PostNs(part, rows) : LayerNs(part, rows, history)) - kFixed;
  }
  return ns;
}

}  // namespace

int64_t ExecuteNs(const spec::Program& program, const container::Group& group) {
  double rows = 1;
  double history = 0;
  for (const container::Tensor& tensor : group.inputs) {
    if (tensor.name != "mask" || tensor.dims.size() != 3) continue;  // [1, rows, history + rows]
    rows = tensor.dims[1];
    history = tensor.dims[2] - rows;
  }
  switch (program.kind) {
    case spec::Kind::kLayer:
      return std::llround(LayerNs(program, rows, history));
    case spec::Kind::kPost:
      return std::llround(PostNs(program, rows));
    case spec::Kind::kStack:
      return std::llround(StackNs(program, rows, history));
  }
  return kFixedNs;
}

}  // namespace axsim::timing
