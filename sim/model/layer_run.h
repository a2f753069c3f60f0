// One execution of one group of a layer: the phases that all threads go through together.
//
// Only rows that see anything are computed ("tokens", in row order); the others, which pad a chunk,
// get zeros. Phases are divided by tokens, heads or output rows, never within a sum, and each
// begins when the one before is complete. Lifetime: one call of Run; everything lies in the
// executor's scratch.
#pragma once

#include <cstdint>
#include <span>

#include "sim/model/ahead.h"
#include "sim/model/attention.h"
#include "sim/model/executor.h"
#include "sim/model/layer.h"
#include "sim/model/phase.h"

namespace axsim::model {

class LayerRun {
 public:
  LayerRun(CpuExecutor& cpu, const spec::Program& program, const LayerWeights& weights,
           const LayerShape& shape);

  void Bind(Spans inputs, Spans outputs);
  void Layout(Carver& carver);  // for shape.rows tokens, so that a group always needs the same

  // Finds the tokens and zeroes the outputs of the other rows. Refuses a position that RoPE does
  // not reach.
  axollama::Status SelectTokens();
  void Execute();
  // Rows up to the last token. Valid after SelectTokens.
  size_t rows_used() const { return tokens_ == 0 ? 0 : size_t{rows_[tokens_ - 1]} + 1; }

 private:
  enum Step {
    kEnter,
    kQkv,
    kRotate,
    kAttend,
    kAttended,
    kOutput,
    kMiddle,
    kGateUp,
    kGated,
    kDown,
    kLeave,
    kSteps
  };

  void Work(uint32_t thread);
  void EnterToken(size_t token);
  void RotateToken(size_t token);
  void AttendToken(size_t token, uint32_t thread);
  size_t HeadsPerUnit() const;
  size_t UnitsOfHeads() const;
  void AttendHeads(size_t unit, uint32_t thread);
  void AddBranch(size_t token, const float* post_norm);
  void MiddleToken(size_t token);
  void LeaveToken(size_t token);
  void MultiplyStep(Step step, const Matrix& m, const Activations& x, float* y, size_t stride,
                    uint32_t thread, Ahead& ahead);
  void QkvStep(uint32_t thread, Ahead& ahead);
  void GateUpStep(uint32_t thread, Ahead& ahead);
  // `ahead` is called by a thread that waits for the others.
  template <typename F>
  void Share(Step step, size_t count, uint32_t thread, Ahead& ahead, F&& f) {
    phases_[step].Run(static_cast<uint32_t>(count), crew_, thread, f, ahead);
  }
  // Unit `unit` of the three matrices together: of which one, and the columns before it in qkv_.
  struct QkvUnit {
    const Matrix* matrix;
    size_t unit;
    size_t column;
  };
  uint32_t QkvUnits() const;
  QkvUnit FindQkvUnit(size_t unit) const;
  void AimAtQkv(Ahead& ahead, uint32_t thread) const;
  void AimAt(Ahead& ahead, const Matrix& matrix, uint32_t thread) const;
  void* Panel(uint32_t thread) const { return panels_ + thread * panel_bytes_; }

  CpuExecutor& cpu_;
  const kernels::Kernels& kernels_;
  const spec::Program& program_;
  const LayerWeights& weights_;
  const LayerShape& shape_;
  const size_t q_width_, kv_width_;

  const uint16_t* input_ = nullptr;  // [rows, hidden]
  uint16_t* k_out_ = nullptr;        // [rows, kv_width]
  uint16_t* v_out_ = nullptr;
  uint16_t* output_ = nullptr;  // [rows, hidden]
  const std::byte* indices_bound_ = nullptr;
  AttentionRows attention_{};

  size_t tokens_ = 0;
  Crew crew_;
  uint32_t* indices_ = nullptr;  // [rows]
  uint32_t* rows_ = nullptr;     // [tokens] the row of each token
  float* x_ = nullptr;           // [tokens, hidden] the residual stream
  float* branch_ = nullptr;      // [tokens, hidden]
  float* qkv_ = nullptr;         // [tokens, q_width + 2 kv_width]
  Activations normed_;           // [tokens, hidden]
  Activations attended_;         // [tokens, q_width]
  Activations gated_;            // [tokens, ffn]
  float* up_ = nullptr;          // [tokens, ffn]
  std::byte* panels_ = nullptr;  // [threads, panel_bytes]
  size_t panel_bytes_ = 0;
  float* scores_ = nullptr;       // [threads, kHeadsAtOnce * (history + rows)]
  VisibleRun* runs_ = nullptr;    // [threads, MaxRuns]
  size_t* run_counts_ = nullptr;  // [threads] of token 0, for decoding
  Phase phases_[kSteps];
};

}  // namespace axsim::model
