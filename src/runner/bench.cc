#include "runner/bench.h"

#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/generator.h"
#include "engine/piece_queue.h"
#include "runner/allocations.h"

namespace axollama::runner {
namespace {

int64_t ProcessCpuNs() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

struct Reading {
  int64_t wall_ns = 0, cpu_ns = 0;
  uint64_t calls = 0, bytes_up = 0, bytes_down = 0, execute_ns = 0, allocations = 0;
};

// Reads the counters at the first and the last token of an answer.
class Marks : public engine::PieceSink {
 public:
  Marks(const npu::Model& model, uint32_t tokens) : model_(model), queue_(tokens), last_(tokens) {}

  void OnToken(int32_t id, std::span<const engine::TokenLogprob> logprobs) override {
    queue_.OnToken(id, logprobs);
    ++tokens_;
    if (tokens_ == 1) first = Read();
    if (tokens_ == last_) last = Read();
  }
  void OnText(std::string_view text) override { queue_.OnText(text); }

  Reading first, last;

 private:
  Reading Read() const {
    const npu::Counters& counters = model_.counters();
    return {MonotonicNs(),       ProcessCpuNs(),      counters.device_calls, counters.bytes_up,
            counters.bytes_down, counters.execute_ns, ThreadAllocations()};
  }

  const npu::Model& model_;
  engine::PieceQueue queue_;
  const uint32_t last_;
  uint32_t tokens_ = 0;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Token ids without a pattern that a cache of any kind could profit from.
std::vector<int32_t> Prompt(uint32_t tokens, uint32_t vocab) {
  std::vector<int32_t> ids(tokens);
  uint32_t state = 12345;
  for (int32_t& id : ids) {
    state = state * 1664525u + 1013904223u;
    id = static_cast<int32_t>((state >> 8) % vocab);
  }
  return ids;
}

class Bencher {
 public:
  Bencher(const engine::Parts& parts, const BenchOptions& options, const npu::StopCheck& stop)
      : parts_(parts), options_(options), stop_(stop), tokens_only_(*parts.model, With(nullptr)) {}

  Result<BenchResult> Run() {
    std::vector<double> ttft, prefill, decode, cpu, busy;
    for (uint32_t run = 0; run < options_.runs; ++run) {
      AX_RETURN_IF_ERROR(Prefill(&ttft, &prefill));
      AX_RETURN_IF_ERROR(Decode(&decode, &cpu, &busy));
    }
    BenchResult result;
    result.ttft_ms = Median(std::move(ttft));
    result.prefill_tokens_per_s = Median(std::move(prefill));
    result.decode_tokens_per_s = Median(std::move(decode));
    result.host_cpu_ms_per_token = Median(std::move(cpu));
    result.device_busy_share = Median(std::move(busy));
    AX_RETURN_IF_ERROR(Count(&result));
    return result;
  }

 private:
  engine::GeneratorOptions With(const text::Tokenizer* tokenizer) const {
    engine::GeneratorOptions options;  // without ends: an answer always has its full length
    options.tokenizer = tokenizer;
    options.gate = parts_.gate.get();
    return options;
  }

  engine::Request Request(uint32_t prompt_tokens, uint32_t answer_tokens) const {
    engine::Request request;
    request.tokens = Prompt(prompt_tokens, parts_.model->limits().vocab);
    request.sampling.temperature = 0;
    request.max_tokens = answer_tokens;
    return request;
  }

  Status Prefill(std::vector<double>* ttft, std::vector<double>* prefill) {
    engine::Request request = Request(options_.prompt_tokens, 1);
    request.reuse_prefix = false;
    Marks marks(*parts_.model, 1);
    const int64_t start_ns = MonotonicNs();
    const engine::Outcome outcome = tokens_only_.Run(request, stop_, marks);
    AX_RETURN_IF_ERROR(outcome.status);
    ttft->push_back(static_cast<double>(marks.first.wall_ns - start_ns) / 1e6);
    prefill->push_back(options_.prompt_tokens / outcome.timings.prompt_ms * 1e3);
    return {};
  }

  Status Answer(engine::Generator& generator, Marks* marks) {
    // A cache of no tokens still needs one to answer.
    const engine::Request request =
        Request(std::max(options_.context_tokens, 1u), options_.generate_tokens);
    return generator.Run(request, stop_, *marks).status;
  }

  Status Decode(std::vector<double>* decode, std::vector<double>* cpu, std::vector<double>* busy) {
    Marks marks(*parts_.model, options_.generate_tokens);
    AX_RETURN_IF_ERROR(Answer(tokens_only_, &marks));
    const double tokens = options_.generate_tokens - 1;
    const double wall_ns = static_cast<double>(marks.last.wall_ns - marks.first.wall_ns);
    decode->push_back(tokens / wall_ns * 1e9);
    cpu->push_back(static_cast<double>(marks.last.cpu_ns - marks.first.cpu_ns) / 1e6 / tokens);
    busy->push_back(static_cast<double>(marks.last.execute_ns - marks.first.execute_ns) / wall_ns);
    return {};
  }

  Status Count(BenchResult* result) {
    engine::Generator generator(*parts_.model, With(parts_.tokenizer.get()));
    Marks marks(*parts_.model, options_.generate_tokens);
    AX_RETURN_IF_ERROR(Answer(generator, &marks));
    const double tokens = options_.generate_tokens - 1;
    auto per_token = [&](uint64_t Reading::* field) {
      return static_cast<double>(marks.last.*field - marks.first.*field) / tokens;
    };
    result->device_calls_per_token = per_token(&Reading::calls);
    result->bytes_up_per_token = per_token(&Reading::bytes_up);
    result->bytes_down_per_token = per_token(&Reading::bytes_down);
    result->allocations_per_token = per_token(&Reading::allocations);
    return {};
  }

  const engine::Parts& parts_;
  const BenchOptions& options_;
  const npu::StopCheck& stop_;
  engine::Generator tokens_only_;
};

}  // namespace

Result<BenchResult> Bench(const engine::Parts& parts, const BenchOptions& options,
                          const npu::StopCheck& stop) {
  const uint32_t context = parts.model->limits().context_tokens;
  const uint32_t longest = std::max(options.prompt_tokens + 1,
                                    std::max(options.context_tokens, 1u) + options.generate_tokens);
  if (longest > context) {
    return Fail(ErrorKind::kTooLong, "this needs a context of " + std::to_string(longest) +
                                         " tokens, and the model has " + std::to_string(context) +
                                         ": lower --prompt-tokens, --context-tokens or --generate");
  }
  return Bencher(parts, options, stop).Run();
}

}  // namespace axollama::runner
