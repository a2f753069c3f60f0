#include "sim/model/post.h"

#include <fmt/format.h>

#include "base/bf16.h"
#include "sim/model/phase.h"

namespace axsim::model {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Status;

struct PostRun {
  CpuExecutor& cpu;
  const PostWeights& weights;
  size_t rows;
  float norm_eps = 0;
  float logit_scale = 0;
  const uint16_t* input = nullptr;  // [rows, hidden]
  uint16_t* output = nullptr;       // [rows, vocab]
  const Matrix& head = weights.head;
  float* x = nullptr;  // [hidden]
  Activations normed;
  float* logits = nullptr;  // [rows, vocab]
  std::byte* panels = nullptr;
  Crew crew{};
  Phase phase{};

  void Layout(Carver& carver) {
    x = carver.Take<float>(head.cols);
    normed.cols = head.cols;
    normed.values = carver.Take<float>(rows * head.cols);
    if (head.takes_codes()) {
      normed.codes = carver.Take<int16_t>(rows * kernels::PaddedCols(head.cols));
      normed.scales = carver.Take<float>(rows * kernels::BlockCount(head.cols));
    }
    logits = carver.Take<float>(rows * head.rows);
    panels = carver.Take<std::byte>(cpu.pool().size() * kernels::PanelBytes(head.cols));
  }

  void Enter() {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < head.cols; ++i) {
        x[i] = axollama::Bf16ToFloat(input[r * head.cols + i]);
      }
      cpu.kernels().rms_norm(x, weights.norm, head.cols, norm_eps, normed.row(r));
      normed.Encode(cpu.kernels(), r);
    }
  }

  void Work(uint32_t thread) {
    void* panel = panels + thread * kernels::PanelBytes(head.cols);
    phase.Run(UnitCount(head, rows), crew, thread, [&](size_t unit) {
      const Slice slice = UnitSlice(head, rows, unit);
      Multiply(cpu.kernels(), head, slice, normed, rows, logits, head.rows, panel);
      for (size_t r = 0; r < rows; ++r) {
        const float* from = logits + r * head.rows + slice.first;
        uint16_t* to = output + r * head.rows + slice.first;
        for (size_t i = 0; i < slice.count; ++i) {
          to[i] = axollama::FloatToBf16(from[i] * logit_scale);
        }
      }
    });
  }
};

// A row at a time, since it is a small part of what a layer takes.
struct NormRun {
  size_t hidden;
  float* x = nullptr;  // [hidden]
  float* normed = nullptr;

  void Layout(Carver& carver) {
    x = carver.Take<float>(hidden);
    normed = carver.Take<float>(hidden);
  }

  void Work(const CpuExecutor& cpu, const spec::Program& program, const float* norm,
            const uint16_t* input, uint16_t* output) const {
    for (size_t i = 0; i < hidden; ++i) x[i] = axollama::Bf16ToFloat(input[i]);
    cpu.kernels().rms_norm(x, norm, hidden, program.norm_eps, normed);
    for (size_t i = 0; i < hidden; ++i) output[i] = axollama::FloatToBf16(normed[i]);
  }
};

}  // namespace

size_t PostScratchBytes(CpuExecutor& cpu, const spec::Program& program, const PostWeights& weights,
                        size_t rows) {
  Carver size(nullptr);
  if (program.embedding) {
    NormRun run{.hidden = program.hidden};
    run.Layout(size);
    return size.used();
  }
  PostRun run{.cpu = cpu, .weights = weights, .rows = rows};
  run.Layout(size);
  return size.used();
}

void RunPost(CpuExecutor& cpu, const spec::Program& program, const PostWeights& weights,
             const uint16_t* input, uint16_t* output, size_t rows, std::byte* scratch) {
  Carver memory(scratch);
  if (program.embedding) {
    NormRun run{.hidden = program.hidden};
    run.Layout(memory);
    for (size_t r = 0; r < rows; ++r) {
      run.Work(cpu, program, weights.norm, input + r * run.hidden, output + r * run.hidden);
    }
    return;
  }
  PostRun run{.cpu = cpu,
              .weights = weights,
              .rows = rows,
              .norm_eps = program.norm_eps,
              .logit_scale = program.logit_scale,
              .input = input,
              .output = output};
  run.Layout(memory);
  run.Enter();
  run.crew = {cpu.ThreadsFor(rows), cpu.pool().spins()};
  cpu.pool().Run(
      run.crew.size, [](void* self, uint32_t thread) { static_cast<PostRun*>(self)->Work(thread); },
      &run);
}

Status PostModel::Run(Executor& executor, uint32_t group, Spans inputs, Spans outputs) const {
  if (group >= shapes_.size()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("group {} is asked for, the model has {}", group, shapes_.size()));
  }
  const PostShape& shape = shapes_[group];
  const container::Group& tensors = description_.groups[group];
  AX_RETURN_IF_ERROR(CheckBindings("input", inputs, shape.input_bytes, tensors.inputs));
  AX_RETURN_IF_ERROR(CheckBindings("output", outputs, shape.output_bytes, tensors.outputs));

  auto& cpu = static_cast<CpuExecutor&>(executor);
  const spec::Program& program = description_.program;
  if (!program.embedding) cpu.Prepare({&weights_.head, 1});
  RunPost(cpu, program, weights_, reinterpret_cast<const uint16_t*>(inputs[shape.input].data()),
          reinterpret_cast<uint16_t*>(outputs[shape.output].data()), shape.rows,
          cpu.Reserve(PostScratchBytes(cpu, program, weights_, shape.rows)));
  return {};
}

}  // namespace axsim::model
