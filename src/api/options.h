// Ollama's `options` object as native values.
//
// Owner and threads: plain values. An unset field means: the model's own value, else the default
// in `Sampling`. Source: Ollama's api.Options.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

struct Options {
  std::optional<int64_t> num_ctx;
  std::optional<int64_t> num_keep;
  std::optional<int64_t> num_predict;  // negative: no limit but the context
  std::optional<int64_t> num_batch, num_gpu, main_gpu, num_thread, draft_num_predict;  // no effect
  std::optional<bool> use_mmap;                                                        // no effect
  std::optional<double> temperature;
  std::optional<int64_t> top_k;
  std::optional<double> top_p, min_p, typical_p;
  std::optional<int64_t> repeat_last_n;  // 0 off, -1 the context
  std::optional<double> repeat_penalty, presence_penalty, frequency_penalty;
  std::optional<int64_t> seed;  // -1 random
  std::optional<std::vector<std::string>> stop;

  // Options that are no options of Ollama's, in order of arrival, for the log.
  std::vector<std::string> unknown;
};

// Reads the field `options` of a request: absent, null or an object. Null values are skipped,
// fractions of integer options dropped, integers out of range saturated, deprecated options
// ignored whatever they hold. A wrong type: `option "seed" must be of type integer`.
Result<Options> ParseOptions(const json::Object& request);

// Every field of `over` that is set, else that of `under`.
Options Merge(Options over, const Options& under);

// What the sampler gets: Ollama's defaults where nothing was set.
struct Sampling {
  int64_t num_predict = -1;
  int64_t num_keep = 4;
  double temperature = 0.8;
  int64_t top_k = 40;
  double top_p = 0.9;
  double min_p = 0;
  double typical_p = 1.0;
  int64_t repeat_last_n = 64;
  double repeat_penalty = 1.0;
  double presence_penalty = 0;
  double frequency_penalty = 0;
  int64_t seed = -1;
  std::vector<std::string> stop;
};
Sampling Resolve(const Options& options);

// The `parameters` text of /api/show: one line `%-30s value` per set field, strings quoted.
std::string FormatParameters(const Options& options);

}  // namespace axollama::api
