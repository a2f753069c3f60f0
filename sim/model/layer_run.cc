#include "sim/model/layer_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/bf16.h"

namespace axsim::model {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Status;

constexpr size_t kNotFound = SIZE_MAX;

Activations TakeActivations(Carver& carver, size_t tokens, size_t cols, bool codes) {
  Activations a;
  a.cols = cols;
  a.values = carver.Take<float>(tokens * cols);
  if (codes) {
    a.codes = carver.Take<int16_t>(tokens * kernels::PaddedCols(cols));
    a.scales = carver.Take<float>(tokens * kernels::BlockCount(cols));
  }
  return a;
}

void AddBias(float* x, const float* bias, size_t n) {
  if (bias == nullptr) return;
  for (size_t i = 0; i < n; ++i) x[i] += bias[i];
}

void ToBf16(const float* x, size_t n, uint16_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = axollama::FloatToBf16(x[i]);
}

}  // namespace

LayerRun::LayerRun(CpuExecutor& cpu, const spec::Program& program, const LayerWeights& weights,
                   const LayerShape& shape)
    : cpu_(cpu),
      kernels_(cpu.kernels()),
      program_(program),
      weights_(weights),
      shape_(shape),
      q_width_(size_t{program.heads} * program.head_dim),
      kv_width_(size_t{program.kv_heads} * program.head_dim) {}

void LayerRun::Bind(Spans inputs, Spans outputs) {
  auto in = [&](size_t i) { return reinterpret_cast<const uint16_t*>(inputs[i].data()); };
  auto out = [&](size_t i) { return reinterpret_cast<uint16_t*>(outputs[i].data()); };
  input_ = in(shape_.input);
  k_out_ = out(shape_.k_out);
  v_out_ = out(shape_.v_out);
  output_ = out(shape_.output);
  indices_bound_ = inputs[shape_.indices].data();
  attention_ = {.k_cache = in(shape_.k_cache),
                .v_cache = in(shape_.v_cache),
                .k_own = k_out_,
                .v_own = v_out_,
                .mask = in(shape_.mask),
                .indices = nullptr,
                .history = shape_.history,
                .rows = shape_.rows,
                .width = kv_width_,
                .sliding_window = program_.sliding_window};
}

void LayerRun::Layout(Carver& carver) {
  const size_t rows = shape_.rows;
  const bool codes = weights_.q.takes_codes();
  const size_t threads = cpu_.pool().size();
  panel_bytes_ =
      kernels::PanelBytes(std::max({weights_.q.cols, weights_.o.cols, weights_.down.cols}));
  indices_ = carver.Take<uint32_t>(rows);
  rows_ = carver.Take<uint32_t>(rows);
  x_ = carver.Take<float>(rows * program_.hidden);
  branch_ = carver.Take<float>(rows * program_.hidden);
  qkv_ = carver.Take<float>(rows * (q_width_ + 2 * kv_width_));
  normed_ = TakeActivations(carver, rows, program_.hidden, codes);
  attended_ = TakeActivations(carver, rows, q_width_, codes);
  gated_ = TakeActivations(carver, rows, program_.ffn, codes);
  up_ = carver.Take<float>(rows * program_.ffn);
  panels_ = carver.Take<std::byte>(threads * panel_bytes_);
  scores_ = carver.Take<float>(threads * kHeadsAtOnce * (shape_.history + rows));
  runs_ = carver.Take<VisibleRun>(threads * MaxRuns(shape_.history, rows));
  run_counts_ = carver.Take<size_t>(threads);
}

Status LayerRun::SelectTokens() {
  // The binding may be aligned to two bytes only.
  std::memcpy(indices_, indices_bound_, shape_.rows * sizeof(uint32_t));
  attention_.indices = indices_;
  tokens_ = 0;
  for (size_t row = 0; row < shape_.rows; ++row) {
    if (SeesAnything(attention_, row)) {
      if (indices_[row] >= program_.context) {
        return Fail(ErrorKind::kInvalid,
                    fmt::format("indices[{}] is position {}, this model was built for {} positions",
                                row, indices_[row], program_.context));
      }
      rows_[tokens_++] = static_cast<uint32_t>(row);
    }
  }
  size_t next = 0;
  for (size_t row = 0; row < shape_.rows; ++row) {
    if (next < tokens_ && rows_[next] == row) {
      ++next;
      continue;
    }
    std::fill_n(k_out_ + row * kv_width_, kv_width_, uint16_t{0});
    std::fill_n(v_out_ + row * kv_width_, kv_width_, uint16_t{0});
    std::fill_n(output_ + row * program_.hidden, program_.hidden, uint16_t{0});
  }
  return {};
}

void LayerRun::Execute() {
  if (tokens_ == 0) return;
  std::fill_n(run_counts_, cpu_.pool().size(), kNotFound);
  crew_ = {cpu_.ThreadsFor(tokens_), cpu_.pool().spins()};
  cpu_.pool().Run(
      crew_.size, [](void* self, uint32_t thread) { static_cast<LayerRun*>(self)->Work(thread); },
      this);
}

void LayerRun::Work(uint32_t thread) {
  const size_t hidden = program_.hidden;
  Ahead ahead;
  AimAtQkv(ahead, thread);
  Share(kEnter, tokens_, thread, ahead, [&](size_t t) { EnterToken(t); });
  QkvStep(thread, ahead);
  AimAt(ahead, weights_.o, thread);
  Share(kRotate, tokens_, thread, ahead, [&](size_t t) { RotateToken(t); });
  if (tokens_ == 1) {
    Share(kAttend, UnitsOfHeads(), thread, ahead, [&](size_t unit) { AttendHeads(unit, thread); });
    Share(kAttended, 1, thread, ahead, [&](size_t) { attended_.Encode(kernels_, 0); });
  } else {
    Share(kAttend, tokens_, thread, ahead, [&](size_t t) { AttendToken(t, thread); });
  }
  MultiplyStep(kOutput, weights_.o, attended_, branch_, hidden, thread, ahead);
  AimAt(ahead, weights_.gate, thread);
  Share(kMiddle, tokens_, thread, ahead, [&](size_t t) { MiddleToken(t); });
  GateUpStep(thread, ahead);
  AimAt(ahead, weights_.down, thread);
  if (gated_.codes != nullptr) {
    Share(kGated, tokens_, thread, ahead, [&](size_t t) { gated_.Encode(kernels_, t); });
  }
  MultiplyStep(kDown, weights_.down, gated_, branch_, hidden, thread, ahead);
  ahead.Stop();
  Share(kLeave, tokens_, thread, ahead, [&](size_t t) { LeaveToken(t); });
}

// A chunk is bound by arithmetic, and its matrices are taken in other units.
void LayerRun::AimAt(Ahead& ahead, const Matrix& matrix, uint32_t thread) const {
  if (tokens_ == 1) ahead.Aim(matrix, crew_, thread);
}

void LayerRun::AimAtQkv(Ahead& ahead, uint32_t thread) const {
  if (tokens_ != 1 || thread >= crew_.stretches()) return;
  const QkvUnit first = FindQkvUnit(crew_.StretchBegin(thread, QkvUnits()));
  ahead.Aim(*first.matrix, first.unit);
}

void LayerRun::EnterToken(size_t token) {
  const size_t hidden = program_.hidden;
  const uint16_t* from = input_ + rows_[token] * hidden;
  float* x = x_ + token * hidden;
  for (size_t i = 0; i < hidden; ++i) x[i] = axollama::Bf16ToFloat(from[i]);
  kernels_.rms_norm(x, weights_.attn_norm, hidden, program_.norm_eps, normed_.row(token));
  normed_.Encode(kernels_, token);
}

uint32_t LayerRun::QkvUnits() const {
  return UnitCount(weights_.q, tokens_) + UnitCount(weights_.k, tokens_) +
         UnitCount(weights_.v, tokens_);
}

LayerRun::QkvUnit LayerRun::FindQkvUnit(size_t unit) const {
  size_t column = 0;
  for (const Matrix* matrix : {&weights_.q, &weights_.k}) {
    const size_t units = UnitCount(*matrix, tokens_);
    if (unit < units) return {matrix, unit, column};
    unit -= units;
    column += matrix->rows;
  }
  return {&weights_.v, unit, column};
}

void LayerRun::QkvStep(uint32_t thread, Ahead& ahead) {
  Share(kQkv, QkvUnits(), thread, ahead, [&](size_t number) {
    const auto [matrix, unit, column] = FindQkvUnit(number);
    Multiply(kernels_, *matrix, UnitSlice(*matrix, tokens_, unit), normed_, tokens_, qkv_ + column,
             q_width_ + 2 * kv_width_, Panel(thread));
  });
}

void LayerRun::RotateToken(size_t token) {
  const size_t dim = program_.head_dim;
  float* q = qkv_ + token * (q_width_ + 2 * kv_width_);
  float* k = q + q_width_;
  float* v = k + kv_width_;
  AddBias(q, weights_.q_bias, q_width_);
  AddBias(k, weights_.k_bias, kv_width_);
  AddBias(v, weights_.v_bias, kv_width_);
  const uint32_t row = rows_[token];
  for (size_t h = 0; h < size_t{program_.heads} + program_.kv_heads; ++h) {
    float* head = q + h * dim;  // the keys follow the queries
    const float* norm = h < program_.heads ? weights_.q_norm : weights_.k_norm;
    if (norm != nullptr) kernels_.rms_norm(head, norm, dim, program_.norm_eps, head);
    weights_.rope->Apply(indices_[row], head);
  }
  ToBf16(k, kv_width_, k_out_ + row * kv_width_);
  ToBf16(v, kv_width_, v_out_ + row * kv_width_);
}

void LayerRun::AttendToken(size_t token, uint32_t thread) {
  const size_t dim = program_.head_dim;
  const size_t shared = program_.heads / program_.kv_heads;
  VisibleRun* runs = runs_ + thread * MaxRuns(shape_.history, shape_.rows);
  float* scores = scores_ + thread * kHeadsAtOnce * (shape_.history + shape_.rows);
  const size_t count = FindVisible(attention_, rows_[token], runs);
  const float* q = qkv_ + token * (q_width_ + 2 * kv_width_);
  for (size_t kv = 0; kv < program_.kv_heads; ++kv) {
    Attend(kernels_, {runs, count}, kv * dim, kv_width_, q + kv * shared * dim, shared, dim,
           program_.attention_scale, scores, attended_.row(token) + kv * shared * dim);
  }
  attended_.Encode(kernels_, token);
}

// Queries that share a KV head go together, so that its rows are widened once; a model with a
// single KV head would leave the other threads without work.
size_t LayerRun::HeadsPerUnit() const {
  const size_t shared = program_.heads / program_.kv_heads;
  return program_.kv_heads > 1 ? shared : std::min<size_t>(shared, 2);
}

size_t LayerRun::UnitsOfHeads() const {
  const size_t shared = program_.heads / program_.kv_heads;
  return program_.kv_heads * ((shared + HeadsPerUnit() - 1) / HeadsPerUnit());
}

void LayerRun::AttendHeads(size_t unit, uint32_t thread) {
  const size_t dim = program_.head_dim;
  const size_t shared = program_.heads / program_.kv_heads;
  const size_t units_of_kv = UnitsOfHeads() / program_.kv_heads;
  const size_t kv = unit / units_of_kv;
  const size_t first = unit % units_of_kv * HeadsPerUnit();  // within those of this KV head
  const size_t count = std::min(HeadsPerUnit(), shared - first);
  const size_t column = (kv * shared + first) * dim;
  VisibleRun* runs = runs_ + thread * MaxRuns(shape_.history, shape_.rows);
  float* scores = scores_ + thread * kHeadsAtOnce * (shape_.history + shape_.rows);
  size_t& found = run_counts_[thread];
  if (found == kNotFound) found = FindVisible(attention_, rows_[0], runs);
  Attend(kernels_, {runs, found}, kv * dim, kv_width_, qkv_ + column, count, dim,
         program_.attention_scale, scores, attended_.row(0) + column);
}

void LayerRun::AddBranch(size_t token, const float* post_norm) {
  const size_t hidden = program_.hidden;
  float* x = x_ + token * hidden;
  float* branch = branch_ + token * hidden;
  if (post_norm != nullptr) {
    kernels_.rms_norm(branch, post_norm, hidden, program_.norm_eps, branch);
  }
  for (size_t i = 0; i < hidden; ++i) x[i] += branch[i] * program_.residual_scale;
}

void LayerRun::MiddleToken(size_t token) {
  AddBranch(token, weights_.attn_post_norm);
  kernels_.rms_norm(x_ + token * program_.hidden, weights_.ffn_norm, program_.hidden,
                    program_.norm_eps, normed_.row(token));
  normed_.Encode(kernels_, token);
}

void LayerRun::GateUpStep(uint32_t thread, Ahead& ahead) {
  const kernels::Gate kind = program_.activation == spec::Activation::kSilu
                                 ? kernels::Gate::kSilu
                                 : kernels::Gate::kGeluTanh;
  const size_t ffn = program_.ffn;
  Share(kGateUp, UnitCount(weights_.gate, tokens_), thread, ahead, [&](size_t unit) {
    const Slice slice = UnitSlice(weights_.gate, tokens_, unit);
    Multiply(kernels_, weights_.gate, slice, normed_, tokens_, gated_.values, ffn, Panel(thread));
    Multiply(kernels_, weights_.up, slice, normed_, tokens_, up_, ffn, Panel(thread));
    for (size_t t = 0; t < tokens_; ++t) {
      const size_t at = t * ffn + slice.first;
      kernels_.activate(kind, gated_.values + at, up_ + at, slice.count);
    }
  });
}

void LayerRun::MultiplyStep(Step step, const Matrix& m, const Activations& x, float* y,
                            size_t stride, uint32_t thread, Ahead& ahead) {
  Share(step, UnitCount(m, tokens_), thread, ahead, [&](size_t unit) {
    Multiply(kernels_, m, UnitSlice(m, tokens_, unit), x, tokens_, y, stride, Panel(thread));
  });
}

void LayerRun::LeaveToken(size_t token) {
  AddBranch(token, weights_.ffn_post_norm);
  ToBf16(x_ + token * program_.hidden, program_.hidden, output_ + rows_[token] * program_.hidden);
}

}  // namespace axsim::model
