// Measures prefill and decode of a loaded model, through the engine's own generator.
//
// Medians over the runs. Prefill: a prompt on an empty cache. Decode: greedy on a cache of
// `context_tokens`, from the first token to the last, sampling included. Calls, bytes and
// allocations are counted in one more run, in which text is made and handed to a reader's queue.
// Owner: the caller. Threads: the model's.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "engine/engine.h"
#include "npu/model.h"

namespace axollama::runner {

struct BenchOptions {
  uint32_t prompt_tokens = 512;
  uint32_t generate_tokens = 128;  // 2 or more
  uint32_t context_tokens = 0;
  uint32_t runs = 5;
};

struct BenchResult {
  double ttft_ms = 0;
  double prefill_tokens_per_s = 0;
  double decode_tokens_per_s = 0;
  double host_cpu_ms_per_token = 0;  // of the whole process: a simulated card's work is in it
  double device_busy_share = 0;      // of decode's time
  double device_calls_per_token = 0;
  double bytes_up_per_token = 0;
  double bytes_down_per_token = 0;
  double allocations_per_token = 0;
};

// kTooLong when prompt, or context and answer, do not fit the model's context.
Result<BenchResult> Bench(const engine::Parts& parts, const BenchOptions& options,
                          const npu::StopCheck& stop);

}  // namespace axollama::runner
