#include "sim/model/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

#include "sim/model/phase.h"

namespace axsim::model {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kMaxThreads = 256;
constexpr uint32_t kMaxMeasured = 4;  // memory is saturated by then; more only wake more slowly
constexpr int kRounds = 4;
constexpr double kWorthwhile = 0.97;  // another thread must save 3 % of the time

struct Stream {
  const kernels::Kernels& kernels;
  std::span<const Matrix> matrices;
  const Activations& x;
  float* y;
  std::byte* panels;
  size_t panel_bytes;
  Crew crew;
  Phase phase{};

  static void Work(void* context, uint32_t thread) {
    auto& self = *static_cast<Stream*>(context);
    uint32_t total = 0;
    for (const Matrix& m : self.matrices) total += UnitCount(m, 1);
    self.phase.Run(total, self.crew, thread, [&](size_t unit) {
      for (const Matrix& m : self.matrices) {
        const size_t units = UnitCount(m, 1);
        if (unit < units) {
          Activations x = self.x;
          x.cols = m.cols;
          Multiply(self.kernels, m, UnitSlice(m, 1, unit), x, 1, self.y, m.rows,
                   self.panels + thread * self.panel_bytes);
          return;
        }
        unit -= units;
      }
    });
  }
};

}  // namespace

axollama::Result<std::unique_ptr<Executor>> Executor::Create(const Options& options) {
  const kernels::Kernels* table = kernels::Find(options.isa.c_str());
  if (table == nullptr) {
    std::string names = "auto";
    for (const char* const* name = kernels::Available(); *name != nullptr; ++name) {
      names += fmt::format(", {}", *name);
    }
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("no kernels for isa \"{}\" on this CPU; there are: {}", options.isa, names));
  }
  if (options.threads > kMaxThreads) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} threads asked for; at most {} are possible",
                                                 options.threads, kMaxThreads));
  }
  return std::make_unique<CpuExecutor>(*table, options.threads);
}

void CpuExecutor::Prepare(std::span<const Matrix> matrices) {
  const uint32_t requested = std::min(requested_.load(), kMaxThreads);
  if (requested == prepared_for_) return;
  prepared_for_ = requested;
  pool_.reset();
  const uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  pool_ = std::make_unique<Pool>(requested != 0 ? requested : std::min(cores, kMaxThreads));
  wide_ = pool_->size();
  narrow_ = requested != 0 ? pool_->size() : Measure(matrices);
}

uint32_t CpuExecutor::Measure(std::span<const Matrix> matrices) {
  size_t cols = 1, rows = 1;
  for (const Matrix& m : matrices) {
    cols = std::max(cols, m.cols);
    rows = std::max(rows, m.rows);
  }
  const uint32_t most = std::min(pool_->size(), kMaxMeasured);
  const size_t panel_bytes = kernels::PanelBytes(cols);
  Activations x;
  float* y = nullptr;
  std::byte* panels = nullptr;
  auto carve = [&](std::byte* base) {
    Carver carver(base);
    x.values = carver.Take<float>(cols);
    x.codes = carver.Take<int16_t>(kernels::PaddedCols(cols));
    x.scales = carver.Take<float>(kernels::BlockCount(cols));
    y = carver.Take<float>(rows);
    panels = carver.Take<std::byte>(most * panel_bytes);
    return carver.used();
  };
  carve(Reserve(carve(nullptr)));
  std::fill_n(x.values, cols, 1.0f);
  x.cols = cols;
  x.Encode(kernels_, 0);

  uint32_t best = 1;
  double best_seconds = 0;
  for (uint32_t threads = 1; threads <= most; ++threads) {
    double seconds = 1e9;
    for (int round = 0; round < kRounds; ++round) {
      Stream stream{kernels_, matrices, x, y, panels, panel_bytes, {threads, pool_->spins()}};
      const Clock::time_point begin = Clock::now();
      pool_->Run(threads, Stream::Work, &stream);
      seconds = std::min(seconds, std::chrono::duration<double>(Clock::now() - begin).count());
    }
    if (threads == 1 || seconds < best_seconds * kWorthwhile) {
      best = threads;
      best_seconds = seconds;
    }
  }
  return best;
}

std::byte* CpuExecutor::Reserve(size_t bytes) {
  if (bytes > scratch_bytes_) {
    scratch_.reset();
    scratch_.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{64})));
    scratch_bytes_ = bytes;
  }
  return scratch_.get();
}

}  // namespace axsim::model
