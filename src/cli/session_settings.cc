#include "cli/session_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/modelfile.h"

namespace axollama::cli {
namespace {

constexpr std::string_view kSettings =
    "  /set parameter NAME VALUE   one of Ollama's parameters, such as temperature 0.2\n"
    "  /set system TEXT            the system message; \"\"\" begins one of several lines\n"
    "  /set format json|SCHEMA     answers are JSON; /set noformat ends that\n"
    "  /set think [LEVEL]          think before an answer; /set nothink does not\n"
    "  /set verbose, quiet         speeds after each answer, or none\n"
    "  /set wordwrap, nowordwrap   break lines between words, or not\n"
    "  /set history, nohistory     remember what is typed, or not\n";

// The first word of `*text`, which keeps the rest.
std::string_view TakeWord(std::string_view* text) {
  const size_t begin = std::min(text->find_first_not_of(' '), text->size());
  const size_t end = std::min(text->find(' ', begin), text->size());
  const std::string_view word = text->substr(begin, end - begin);
  *text = text->substr(std::min(text->find_first_not_of(' ', end), text->size()));
  return word;
}

Result<SettingReply> SetParameter(std::string_view words, RunOptions* options) {
  const std::string_view name = TakeWord(&words);
  if (name.empty() || words.empty()) {
    return Fail(ErrorKind::kInvalid, "/set parameter wants a name and a value");
  }
  json::Value value;
  if (name == "stop") {
    // Several stop strings in one line, as Ollama takes them.
    json::Array stops;
    while (!words.empty()) stops.push_back(json::Value(TakeWord(&words)));
    value = std::move(stops);
  } else {
    AX_ASSIGN_OR_RETURN(value, api::ParseParameter(name, words));
  }
  SettingReply reply{fmt::format("{} is {} now\n", name, json::Write(value))};
  options->options[name] = std::move(value);
  return reply;
}

}  // namespace

Result<SettingReply> ApplySetting(std::string_view words, RunOptions* options) {
  const std::string_view name = TakeWord(&words);
  if (name.empty()) return SettingReply{std::string(kSettings)};
  if (name == "parameter") return SetParameter(words, options);
  if (name == "system") {
    options->system = words;
    return SettingReply{words.empty() ? "no system message of this chat's own\n"
                                      : "the system message is set\n"};
  }
  if (name == "format") {
    AX_ASSIGN_OR_RETURN(options->format, ParseFormat(words.empty() ? "json" : words));
    return SettingReply{"answers have this format now\n"};
  }
  if (name == "think") {
    AX_ASSIGN_OR_RETURN(options->think, ParseThink(words.empty() ? "true" : words));
    return SettingReply{"the model thinks before it answers\n"};
  }
  if (!words.empty()) {
    return Fail(ErrorKind::kInvalid, fmt::format("/set {} takes no value", name));
  }
  const auto flag = [&](bool* slot, bool value, const char* text) {
    *slot = value;
    return SettingReply{text};
  };
  if (name == "noformat") {
    options->format = nullptr;
    return SettingReply{"answers have no format now\n"};
  }
  if (name == "nothink") {
    options->think = false;
    return SettingReply{"the model does not think before it answers\n"};
  }
  if (name == "verbose") return flag(&options->verbose, true, "speeds are shown\n");
  if (name == "quiet") return flag(&options->verbose, false, "speeds are not shown\n");
  if (name == "wordwrap") return flag(&options->word_wrap, true, "lines break between words\n");
  if (name == "nowordwrap") return flag(&options->word_wrap, false, "lines are as they come\n");
  if (name == "history") return SettingReply{"what is typed is remembered\n", 1};
  if (name == "nohistory") return SettingReply{"what is typed is not remembered\n", 0};
  return Fail(ErrorKind::kInvalid,
              fmt::format("there is no /set {}: /set lists what there is", name));
}

std::string ChatHelp() {
  return fmt::format(
      "{}"
      "  /show [license|modelfile|parameters|system|template]   what the model is\n"
      "  /load MODEL                 another model, and a new chat\n"
      "  /save MODEL                 keep this chat and its settings as a model\n"
      "  /clear                      forget what was said\n"
      "  /bye                        end; so does Ctrl-D\n"
      "\"\"\" begins a message of several lines and ends it; Ctrl-C stops an answer.\n",
      kSettings);
}

}  // namespace axollama::cli
