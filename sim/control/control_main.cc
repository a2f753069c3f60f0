#include "sim/control/control_main.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/one_line.h"
#include "sim/control/control.h"

namespace axsim::control {
namespace {

using axollama::Error;
using axollama::ErrorKind;
using axollama::Result;
namespace json = axollama::json;

constexpr int kFailed = 1, kUsage = 2;

int Say(const std::string& text) {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0 ? 0 : kFailed;
}

int Report(const Error& error) {
  std::fputs(fmt::format("error: {}\n", axollama::OneLine(error.message)).c_str(), stderr);
  return kFailed;
}

int Usage(const CLI::App& app, const std::string& what) {
  std::fputs(fmt::format("error: {} ({} --help lists the options)\n", axollama::OneLine(what),
                         app.get_name())
                 .c_str(),
             stderr);
  return kUsage;
}

// Nothing: parsed; else the exit code.
std::optional<int> Parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Say(app.help());
  } catch (const CLI::ParseError& error) {
    return Usage(app, error.what());
  }
  return std::nullopt;
}

// An option that becomes a key of the fault.
class Key {
 public:
  Key(CLI::App& app, const char* option, const char* name, const char* help)
      : name_(name), option_(app.add_option(option, text_, help)) {}
  bool given() const { return option_->count() > 0; }
  // Numbers as JSON reads them; what is no number stays text, and is refused by name.
  void Put(json::Object& object) const {
    if (!given()) return;
    const auto number = json::Parse(text_);
    object[name_] = number && number->is_number() ? *number : json::Value(text_);
  }

 private:
  std::string name_;
  std::string text_;
  CLI::Option* option_;
};

}  // namespace

int StatusMain(int argc, char** argv) {
  CLI::App app{"Shows the simulated cards, who uses them, and their faults", "axollama-sim status"};
  bool as_json = false;
  app.add_flag("--json", as_json, "one JSON object");
  if (const auto code = Parse(app, argc, argv)) return *code;
  auto machine = Machine::Open();
  if (!machine) return Report(machine.error());
  return Say(as_json ? json::Write(machine->Status()) + "\n" : machine->StatusText());
}

int FaultMain(int argc, char** argv) {
  CLI::App app{"Makes a simulated card fail, from the next call of any process on",
               "axollama-sim fault"};
  std::string kind;
  std::optional<int32_t> card;
  app.add_option(
         "KIND", kind,
         "one of " + faults::KindNames() + "; or a whole fault as in a configuration: '{…}'")
      ->required();
  app.add_option("--card", card, "the card's id (default: the first card)");
  Key keys[] = {
      {app, "--nth", "nth", "from the n-th call on"},
      {app, "--every", "every", "each n-th call"},
      {app, "--after-ms", "after_ms", "not before so many milliseconds have passed"},
      {app, "--probability", "probability", "this share of the calls, 0 to 1"},
      {app, "--seed", "seed", "of the probability, or of the wrong bytes"},
      {app, "--count", "count", "how often; 0: without limit"},
      {app, "--for-ms", "for_ms", "how long a hang or a disconnection lasts"},
      {app, "--factor", "factor", "how many times slower"},
      {app, "--code", "code", "what the failing call returns, as 0x8030070C"},
  };
  if (const auto code = Parse(app, argc, argv)) return *code;
  json::Object object;
  if (kind.starts_with('{')) {
    if (std::any_of(std::begin(keys), std::end(keys), [](const Key& key) { return key.given(); })) {
      return Usage(app, "a fault as JSON has its keys inside");
    }
    auto parsed = json::ParseObject(kind, "the fault");
    if (!parsed) return Usage(app, parsed.error().message);
    object = std::move(*parsed);
  } else {
    object["kind"] = kind;
    for (const Key& key : keys) key.Put(object);
  }
  const auto fault = faults::ParseFault(object);
  if (!fault) return Usage(app, fault.error().message);
  auto machine = Machine::Open();
  if (!machine) return Report(machine.error());
  const auto given = machine->Give(card, *fault);
  if (!given) return Report(given.error());
  return Say(fmt::format("card {}: {}\n", *given, faults::Describe(*fault)));
}

int ResetMain(int argc, char** argv) {
  CLI::App app{
      "Clears the faults of simulated cards, heals them, and frees what dead processes hold",
      "axollama-sim reset"};
  std::optional<int32_t> card;
  app.add_option("--card", card, "the card's id (default: all cards)");
  if (const auto code = Parse(app, argc, argv)) return *code;
  auto machine = Machine::Open();
  if (!machine) return Report(machine.error());
  const auto text = machine->Reset(card);
  return text ? Say(*text) : Report(text.error());
}

}  // namespace axsim::control
