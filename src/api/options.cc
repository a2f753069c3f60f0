#include "api/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace axollama::api {
namespace {

// The table of facts 1.5: how each name is spelled and where it goes.
struct IntegerOption {
  std::string_view name;
  std::optional<int64_t> Options::* field;
};
struct FloatOption {
  std::string_view name;
  std::optional<double> Options::* field;
};

// In Ollama's order, which is also that of /api/show.
constexpr IntegerOption kIntegers[] = {
    {"num_ctx", &Options::num_ctx},
    {"num_batch", &Options::num_batch},
    {"num_gpu", &Options::num_gpu},
    {"main_gpu", &Options::main_gpu},
    {"num_thread", &Options::num_thread},
    {"draft_num_predict", &Options::draft_num_predict},
    {"num_keep", &Options::num_keep},
    {"seed", &Options::seed},
    {"num_predict", &Options::num_predict},
    {"top_k", &Options::top_k},
    {"repeat_last_n", &Options::repeat_last_n},
};
constexpr FloatOption kFloats[] = {
    {"top_p", &Options::top_p},
    {"min_p", &Options::min_p},
    {"typical_p", &Options::typical_p},
    {"temperature", &Options::temperature},
    {"repeat_penalty", &Options::repeat_penalty},
    {"presence_penalty", &Options::presence_penalty},
    {"frequency_penalty", &Options::frequency_penalty},
};
constexpr std::string_view kDeprecated[] = {
    "mirostat",   "mirostat_eta", "mirostat_tau", "tfs_z", "penalize_newline", "low_vram", "f16_kv",
    "logits_all", "vocab_only",   "use_mlock",    "numa",
};

tl::unexpected<Error> WrongType(std::string_view name, std::string_view type) {
  return Fail(ErrorKind::kInvalid, fmt::format("option \"{}\" must be of {}", name, type));
}

Result<int64_t> ToInteger(std::string_view name, const json::Value& value) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return kMax;  // Boost.JSON: above what int64 holds
  if (!value.is_double() || std::isnan(value.get_double())) return WrongType(name, "type integer");
  const double d = value.get_double();
  if (d >= 9.2233720368547758e18) return kMax;
  if (d <= -9.2233720368547758e18) return kMin;
  return static_cast<int64_t>(d);
}

Result<double> ToFloat(std::string_view name, const json::Value& value) {
  const double d = value.is_number() ? value.to_number<double>() : std::nan("");
  // A number no float32 can hold would be infinite in the sampler.
  if (!std::isfinite(static_cast<float>(d))) return WrongType(name, "type float32");
  return d;
}

Result<std::vector<std::string>> ToStrings(std::string_view name, const json::Value& value) {
  if (!value.is_array()) return WrongType(name, "type array");
  std::vector<std::string> strings;
  for (const json::Value& item : value.get_array()) {
    if (!item.is_string()) return WrongType(name, "an array of strings");
    strings.emplace_back(json::View(item.get_string()));
  }
  return strings;
}

Status ReadOne(std::string_view name, const json::Value& value, Options* options) {
  for (const auto& [known, field] : kIntegers) {
    if (name != known) continue;
    AX_ASSIGN_OR_RETURN(options->*field, ToInteger(name, value));
    return {};
  }
  for (const auto& [known, field] : kFloats) {
    if (name != known) continue;
    AX_ASSIGN_OR_RETURN(options->*field, ToFloat(name, value));
    return {};
  }
  if (name == "use_mmap") {
    if (!value.is_bool()) return WrongType(name, "type boolean");
    options->use_mmap = value.get_bool();
    return {};
  }
  if (name == "stop") {
    AX_ASSIGN_OR_RETURN(options->stop, ToStrings(name, value));
    return {};
  }
  if (std::find(std::begin(kDeprecated), std::end(kDeprecated), name) == std::end(kDeprecated)) {
    options->unknown.emplace_back(name);
  }
  return {};
}

// As Go's %#v: a whole double has no fraction.
void Line(std::string_view name, std::string_view value, std::string* out) {
  if (!out->empty()) out->push_back('\n');
  fmt::format_to(std::back_inserter(*out), "{:<30} {}", name, value);
}

}  // namespace

Result<Options> ParseOptions(const json::Object& request) {
  Options options;
  const json::Value* value = json::Find(request, "options");
  if (value == nullptr) return options;
  if (!value->is_object()) return Fail(ErrorKind::kInvalid, "\"options\" must be an object");
  for (const auto& [name, item] : value->get_object()) {
    if (item.is_null()) continue;
    AX_RETURN_IF_ERROR(ReadOne({name.data(), name.size()}, item, &options));
  }
  return options;
}

Options Merge(Options over, const Options& under) {
  for (const auto& [name, field] : kIntegers) {
    if (!(over.*field)) over.*field = under.*field;
  }
  for (const auto& [name, field] : kFloats) {
    if (!(over.*field)) over.*field = under.*field;
  }
  if (!over.use_mmap) over.use_mmap = under.use_mmap;
  if (!over.stop) over.stop = under.stop;
  return over;
}

Sampling Resolve(const Options& options) {
  Sampling s;
  s.num_predict = options.num_predict.value_or(s.num_predict);
  s.num_keep = options.num_keep.value_or(s.num_keep);
  s.temperature = options.temperature.value_or(s.temperature);
  s.top_k = options.top_k.value_or(s.top_k);
  s.top_p = options.top_p.value_or(s.top_p);
  s.min_p = options.min_p.value_or(s.min_p);
  s.typical_p = options.typical_p.value_or(s.typical_p);
  s.repeat_last_n = options.repeat_last_n.value_or(s.repeat_last_n);
  s.repeat_penalty = options.repeat_penalty.value_or(s.repeat_penalty);
  s.presence_penalty = options.presence_penalty.value_or(s.presence_penalty);
  s.frequency_penalty = options.frequency_penalty.value_or(s.frequency_penalty);
  s.seed = options.seed.value_or(s.seed);
  if (options.stop) s.stop = *options.stop;
  return s;
}

std::string FormatParameters(const Options& options) {
  std::string out;
  for (const auto& [name, field] : kIntegers) {
    if (options.*field) Line(name, fmt::format("{}", *(options.*field)), &out);
  }
  for (const auto& [name, field] : kFloats) {
    if (options.*field) Line(name, json::Write(json::Value(*(options.*field))), &out);
  }
  if (options.use_mmap) Line("use_mmap", *options.use_mmap ? "true" : "false", &out);
  for (const std::string& stop : options.stop.value_or(std::vector<std::string>())) {
    Line("stop", json::Write(json::Value(stop)), &out);
  }
  return out;
}

}  // namespace axollama::api
