#include "cli/run_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "cli/command.h"

namespace axollama::cli {
namespace {

void AddCommon(const RunOptions& options, json::Object* body) {
  if (!options.options.empty()) (*body)["options"] = options.options;
  if (!options.format.is_null()) (*body)["format"] = options.format;
  if (!options.think.is_null()) (*body)["think"] = options.think;
  if (!options.keep_alive.empty()) (*body)["keep_alive"] = KeepAliveValue(options.keep_alive);
}

std::string Rate(int64_t count, int64_t ns) {
  if (ns <= 0) return "-";
  return fmt::format("{:.2f} tokens/s", static_cast<double>(count) * 1e9 / static_cast<double>(ns));
}

std::string Canonical(std::string_view name) {
  std::string text(name);
  if (text.find(':') == std::string::npos) text += ":latest";
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

Status AddOption(std::string_view setting, RunOptions* options) {
  const size_t equals = setting.find('=');
  if (equals == 0 || equals == std::string_view::npos) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("--option wants KEY=VALUE, such as temperature=0, not {}", setting));
  }
  const std::string_view key = setting.substr(0, equals);
  const std::string_view text = setting.substr(equals + 1);
  const auto parsed = json::Parse(text);
  const json::Value value = parsed ? *parsed : json::Value(text);
  json::Value& slot = options->options[key];
  if (key != "stop") {
    slot = value;
  } else if (slot.is_array()) {
    slot.get_array().push_back(json::Value(text));
  } else {
    slot = value.is_array() ? value : json::Value(json::Array{json::Value(text)});
  }
  return {};
}

Result<json::Value> ParseFormat(std::string_view text) {
  if (text == "json") return json::Value("json");
  auto schema = json::Parse(text);
  if (schema && schema->is_object()) return *std::move(schema);
  return Fail(ErrorKind::kInvalid,
              fmt::format("a format is json or a JSON Schema object, not {}", text));
}

Result<json::Value> ParseThink(std::string_view text) {
  if (text == "true" || text == "false") return json::Value(text == "true");
  for (const std::string_view level : {"low", "medium", "high", "max"}) {
    if (text == level) return json::Value(text);
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("invalid think value: \"{}\" (must be \"high\", \"medium\", \"low\", "
                          "\"max\", true, or false)",
                          text));
}

json::Object GenerateBody(const std::string& model, const RunOptions& options,
                          const std::string& prompt) {
  json::Object body{{"model", model}, {"prompt", prompt}};
  if (!options.system.empty()) body["system"] = options.system;
  if (options.raw) body["raw"] = true;
  AddCommon(options, &body);
  return body;
}

json::Object ChatBody(const std::string& model, const RunOptions& options,
                      const json::Array& messages) {
  json::Array all;
  if (!options.system.empty()) {
    all.push_back(json::Object{{"role", "system"}, {"content", options.system}});
  }
  all.insert(all.end(), messages.begin(), messages.end());
  json::Object body{{"model", model}, {"messages", std::move(all)}};
  AddCommon(options, &body);
  return body;
}

std::string SpeedsText(const json::Object& last) {
  const auto number = [&](const char* key) { return json::GetInt(last, key, 0).value_or(0); };
  const int64_t prompt = number("prompt_eval_count"), prompt_ns = number("prompt_eval_duration");
  const int64_t answer = number("eval_count"), answer_ns = number("eval_duration");
  return fmt::format(
      "total duration:       {}\n"
      "load duration:        {}\n"
      "prompt eval count:    {} token(s)\n"
      "prompt eval duration: {}\n"
      "prompt eval rate:     {}\n"
      "eval count:           {} token(s)\n"
      "eval duration:        {}\n"
      "eval rate:            {}\n",
      GoDuration(number("total_duration")), GoDuration(number("load_duration")), prompt,
      GoDuration(prompt_ns), Rate(prompt, prompt_ns), answer, GoDuration(answer_ns),
      Rate(answer, answer_ns));
}

bool SameModel(std::string_view a, std::string_view b) { return Canonical(a) == Canonical(b); }

}  // namespace axollama::cli
