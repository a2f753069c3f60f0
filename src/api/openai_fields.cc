#include "api/openai_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace axollama::api {
namespace {

// OpenAI's own bound is 300; a list of banned tokens may be longer.
constexpr size_t kMaxLogitBias = 4096;
constexpr double kMaxBias = 100;

constexpr std::pair<std::string_view, Think> kEfforts[] = {
    {"", Think::kUnset},  {"none", Think::kOff},  {"minimal", Think::kLow},
    {"low", Think::kLow}, {"high", Think::kHigh}, {"medium", Think::kMedium},
    {"max", Think::kMax}, {"xhigh", Think::kMax}, {"ultra", Think::kMax},
};

constexpr std::string_view kImageTypes[] = {"data:;base64,", "data:image/jpeg;base64,",
                                            "data:image/jpg;base64,", "data:image/png;base64,",
                                            "data:image/webp;base64,"};

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

bool IsBase64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  });
}

std::string_view FunctionName(const json::Value& tool) {
  return json::View(tool.get_object().at("function").get_object().at("name").get_string());
}

}  // namespace

Status ReadSampling(const Reader& request, Options* options) {
  AX_ASSIGN_OR_RETURN(options->temperature, request.Number("temperature"));
  AX_ASSIGN_OR_RETURN(options->top_p, request.Number("top_p"));
  if (!options->temperature) options->temperature = 1.0;
  if (!options->top_p) options->top_p = 1.0;
  return {};
}

Status ReadPenaltiesSeedAndStop(const Reader& request, Options* options) {
  AX_ASSIGN_OR_RETURN(options->seed, request.Integer("seed"));
  AX_ASSIGN_OR_RETURN(options->frequency_penalty, request.Number("frequency_penalty"));
  AX_ASSIGN_OR_RETURN(options->presence_penalty, request.Number("presence_penalty"));
  const json::Value* stop = request.Find("stop");
  if (stop == nullptr) return {};
  if (stop->is_string()) {
    options->stop = {std::string(json::View(stop->get_string()))};
  } else if (stop->is_array()) {
    AX_ASSIGN_OR_RETURN(options->stop, request.Texts("stop"));
  } else {
    return Fail(request.Bad("stop", "must be a string or an array of strings"));
  }
  return {};
}

Result<std::vector<std::pair<int32_t, double>>> ReadLogitBias(const Reader& request) {
  std::vector<std::pair<int32_t, double>> out;
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> biases, request.Inner("logit_bias"));
  if (!biases) return out;
  if (biases->object().size() > kMaxLogitBias) {
    return Fail(request.Bad("logit_bias", fmt::format("has more than {} tokens", kMaxLogitBias)));
  }
  for (const auto& [key, value] : biases->object()) {
    const char* const end = key.data() + key.size();
    int32_t token = -1;
    const auto [stopped, error] = std::from_chars(key.data(), end, token);
    if (error != std::errc() || stopped != end || token < 0) {
      return Fail(request.Bad("logit_bias", "must have token ids as its keys"));
    }
    AX_ASSIGN_OR_RETURN(const std::optional<double> bias,
                        biases->Number(std::string_view(key.data(), key.size())));
    if (!bias || *bias < -kMaxBias || *bias > kMaxBias) {
      return Fail(request.Bad("logit_bias", "must have values between -100 and 100"));
    }
    out.emplace_back(token, *bias);
  }
  return out;
}

Result<Think> ParseEffort(std::string_view effort) {
  for (const auto& [name, think] : kEfforts) {
    if (name == effort) return think;
  }
  return Bad(
      fmt::format("invalid reasoning value: {} (must be \"minimal\", \"low\", \"medium\", "
                  "\"high\", \"xhigh\", \"ultra\", \"max\", or \"none\")",
                  json::Write(json::Value(effort))));
}

Status CheckImageUrl(std::string_view url) {
  if (url.starts_with("http://") || url.starts_with("https://")) {
    return Bad("image URLs are not currently supported, please use base64 encoded data instead");
  }
  for (const std::string_view type : kImageTypes) {
    if (url.starts_with(type) && IsBase64(url.substr(type.size()))) return {};
  }
  return Bad("invalid image input");
}

Result<std::string> ParseCallArguments(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return "{}";
  const auto arguments = json::ParseObject(text, "arguments");
  if (!arguments) return Bad("invalid tool call arguments");
  return json::Write(*arguments);
}

Result<json::Object> ReadFunction(const Reader& function, std::string_view parameters_key) {
  json::Object out;
  AX_ASSIGN_OR_RETURN(const std::string name, function.Text("name"));
  if (name.empty()) return Fail(function.Bad("name", "is required"));
  out.emplace("name", name);
  AX_ASSIGN_OR_RETURN(const std::string description, function.Text("description"));
  if (!description.empty()) out.emplace("description", description);
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> parameters, function.Inner(parameters_key));
  // Templates look into the parameters of each tool.
  out.emplace("parameters", parameters
                                ? parameters->object()
                                : json::Object{{"type", "object"}, {"properties", json::Object()}});
  return json::Object{{"type", "function"}, {"function", std::move(out)}};
}

Result<ToolChoice> ReadToolChoice(const Reader& request, const json::Array& tools, bool nested) {
  ToolChoice choice;
  const json::Value* value = request.Find("tool_choice");
  if (value == nullptr) return choice;
  constexpr std::string_view kMust =
      "must be \"auto\", \"none\", \"required\", or an object that names a function";
  if (value->is_string()) {
    const std::string_view word = json::View(value->get_string());
    if (word == "none") {
      choice.kind = ToolChoice::Kind::kNone;
    } else if (word == "required") {
      choice.kind = ToolChoice::Kind::kRequired;
    } else if (word != "auto") {
      return Fail(request.Bad("tool_choice", kMust));
    }
  } else {
    AX_ASSIGN_OR_RETURN(const std::optional<Reader> object, request.Inner("tool_choice"));
    AX_ASSIGN_OR_RETURN(const std::string type, object->Text("type"));
    if (type != "function") return Fail(request.Bad("tool_choice", kMust));
    std::optional<Reader> function = object;
    if (nested) {
      AX_ASSIGN_OR_RETURN(function, object->Inner("function"));
      if (!function) return Fail(object->Bad("function", "is required"));
    }
    choice.kind = ToolChoice::Kind::kNamed;
    AX_ASSIGN_OR_RETURN(choice.name, function->Text("name"));
  }
  AX_RETURN_IF_ERROR(CheckToolChoice(choice, tools, "tool_choice"));
  return choice;
}

Status CheckToolChoice(const ToolChoice& choice, const json::Array& tools, std::string_view key) {
  if (choice.kind == ToolChoice::Kind::kAuto || choice.kind == ToolChoice::Kind::kNone) return {};
  if (tools.empty()) return Bad(fmt::format("\"{}\" asks for a call, but there are no tools", key));
  if (choice.kind == ToolChoice::Kind::kRequired) return {};
  const bool known = std::any_of(tools.begin(), tools.end(), [&](const json::Value& tool) {
    return FunctionName(tool) == choice.name;
  });
  if (known) return {};
  return Bad(fmt::format("\"{}\" names the function {}, which is not among the tools", key,
                         json::Write(json::Value(choice.name))));
}

}  // namespace axollama::api
