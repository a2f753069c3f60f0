#include "dialect/dialect.h"

#include <algorithm>

namespace axollama::dialect {
namespace {

constexpr std::string_view kObjectOpen = "{\"name\": \"";
constexpr std::string_view kArguments = "\", \"arguments\": ";
constexpr std::string_view kParameters = "\", \"parameters\": ";

constexpr CallForm kBare{.open = "", .closers = {"<|eom_id|>", "<|eot_id|>"}};
constexpr CallForm kTag{.open = "<tool_call>", .closers = {"</tool_call>"}};
constexpr CallWriting kWriteTag{
    "", "<tool_call>\n{\"name\": \"", kArguments, "}\n</tool_call>", "\n", ""};

constexpr Dialect kHermes{.name = "hermes", .calls = {kTag}, .call_forms = 1, .writing = kWriteTag};

// All calls of an answer are in one array.
constexpr Dialect kTagList{
    .name = "smollm2",
    .calls = {kTag},
    .call_forms = 1,
    .writing = {"<tool_call>[", kObjectOpen, kArguments, "}", ", ", "]</tool_call>"}};

// Required calls are written as the JSON that these models know from Qwen3: a grammar of the XML
// form cannot hold a value to its schema.
constexpr Dialect kQwen3Coder{
    .name = "qwen3-coder",
    .calls = {CallForm{.open = "<tool_call>", .bodies = kJson | kXml, .closers = {"</tool_call>"}},
              CallForm{.open = "<function=", .bodies = kXml, .closers = {"</tool_call>"}}},
    .call_forms = 2,
    .writing = kWriteTag};

constexpr Dialect kLlama3{
    .name = "llama3",
    .calls = {kBare, CallForm{.open = "<|python_tag|>", .closers = {"<|eom_id|>", "<|eot_id|>"}}},
    .call_forms = 2,
    .writing = {"", kObjectOpen, kParameters, "}", "; ", ""},
    .one_call_per_message = true};

constexpr CallForm kMistralForm{
    .open = "[TOOL_CALLS]", .bodies = kJson | kNamed, .name_ends = {"[ARGS]", "[CALL_ID]"}};
constexpr Dialect kMistral{.name = "mistral",
                           .calls = {kMistralForm, kBare},
                           .call_forms = 2,
                           .writing = {"[TOOL_CALLS][", kObjectOpen, kArguments, "}", ", ", "]"},
                           .call_id_length = 9};
constexpr Dialect kMistralNamed{.name = "mistral-args",
                                .calls = {kMistralForm},
                                .call_forms = 1,
                                .writing = {"", "[TOOL_CALLS]", "[ARGS]", "", "", ""},
                                .call_id_length = 9};

constexpr Dialect kDeepSeek{
    .name = "deepseek",
    .calls = {CallForm{.open = "<｜tool▁call▁begin｜>",
                       .bodies = kJson | kNamed,
                       .prelude = "<｜tool▁calls▁begin｜>",
                       .closers = {"```", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"},
                       .name_prefix = "function<｜tool▁sep｜>",
                       .name_ends = {"<｜tool▁sep｜>", "\n```json"}}},
    .call_forms = 1,
    .writing = {"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
                "\n```json\n", "\n```<｜tool▁call▁end｜>", "\n", "<｜tool▁calls▁end｜>"},
    .arguments_as_text = true};

constexpr Dialect kPhi4{
    .name = "phi4",
    .calls = {CallForm{.open = "<|tool_call|>", .closers = {"<|/tool_call|>"}}, kBare},
    .call_forms = 2,
    .writing = {"<|tool_call|>[", kObjectOpen, kArguments, "}", ", ", "]<|/tool_call|>"}};

constexpr Dialect kGemma{
    .name = "gemma",
    .calls = {CallForm{.open = "```tool_code", .closers = {"```"}},
              CallForm{.open = "```json", .closers = {"```"}}, kBare},
    .call_forms = 3,
    .writing = {"", "```tool_code\n{\"name\": \"", kParameters, "}\n```", "\n", ""}};

constexpr Dialect kGeneric{.name = "generic",
                           .calls = {kBare, kTag},
                           .call_forms = 2,
                           .writing = {"", kObjectOpen, kArguments, "}", "\n", ""}};

// The first row whose words all stand in the template decides.
struct TemplateRow {
  std::string_view word, second;
  const Dialect* dialect;
};
constexpr TemplateRow kTemplates[] = {
    {"<function=", "", &kQwen3Coder},      {"<tool_call>[", "", &kTagList},
    {"<tool_call>", "", &kHermes},         {"[TOOL_CALLS]", "[ARGS]", &kMistralNamed},
    {"[TOOL_CALLS]", "", &kMistral},       {"<｜tool▁call▁begin｜>", "", &kDeepSeek},
    {"<|tool_call|>", "", &kPhi4},         {"<start_of_turn>", "", &kGemma},
    {"<|start_header_id|>", "", &kLlama3}, {"<|im_start|>", "", &kHermes},
};

// Where the template tells nothing: what config.json says begins with `family`.
struct FamilyRow {
  std::string_view family;
  const Dialect* dialect;
};
constexpr FamilyRow kFamilies[] = {
    {"qwen", &kHermes}, {"llama", &kLlama3},      {"mistral", &kMistral}, {"ministral", &kMistral},
    {"gemma", &kGemma}, {"deepseek", &kDeepSeek}, {"phi4", &kPhi4},
};

struct ThinkRow {
  std::string_view open, close;
};
constexpr ThinkRow kThinks[] = {{"<think>", "</think>"}, {"[THINK]", "[/THINK]"}};
// Families that think whatever their template says; it may be one of ours, for want of theirs.
constexpr std::string_view kThinkers[] = {"qwen3"};

bool Has(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

const Dialect& Calls(std::string_view template_text, std::string_view family) {
  for (const TemplateRow& row : kTemplates) {
    if (Has(template_text, row.word) && Has(template_text, row.second)) return *row.dialect;
  }
  for (const FamilyRow& row : kFamilies) {
    if (family.starts_with(row.family)) return *row.dialect;
  }
  return kGeneric;
}

bool FamilyThinks(std::string_view family) {
  return std::find(std::begin(kThinkers), std::end(kThinkers), family) != std::end(kThinkers);
}

std::string_view TrimRight(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

Dialect Choose(std::string_view template_text, std::string_view family) {
  Dialect dialect = Calls(template_text, family);
  for (const ThinkRow& row : kThinks) {
    if (!Has(template_text, row.close)) continue;
    dialect.think_open = row.open;
    dialect.think_close = row.close;
    break;
  }
  if (!dialect.thinks() && FamilyThinks(family)) {
    dialect.think_open = kThinks[0].open;
    dialect.think_close = kThinks[0].close;
  }
  dialect.template_switches_thinking =
      Has(template_text, "enable_thinking") || Has(template_text, ".Think ") ||
      Has(template_text, ".Think)") || Has(template_text, ".IsThinkSet");
  return dialect;
}

std::vector<std::string_view> Marks(const Dialect& dialect) {
  std::vector<std::string_view> marks;
  const auto add = [&marks](std::string_view mark) {
    const bool is_mark = !mark.empty() && (mark.front() == '<' || mark.front() == '[');
    if (is_mark && std::find(marks.begin(), marks.end(), mark) == marks.end()) {
      marks.push_back(mark);
    }
  };
  add(dialect.think_open);
  add(dialect.think_close);
  for (uint32_t i = 0; i < dialect.call_forms; ++i) {
    const CallForm& form = dialect.calls[i];
    add(form.prelude);
    add(form.open);
    for (const std::string_view mark : form.closers) add(mark);
    for (const std::string_view mark : form.name_ends) add(mark);
  }
  return marks;
}

bool EndsInThinking(const Dialect& dialect, std::string_view prompt) {
  return dialect.thinks() && TrimRight(prompt).ends_with(dialect.think_open);
}

std::string WithoutThinking(const Dialect& dialect, std::string_view prompt) {
  if (!dialect.thinks()) return "";
  const std::string close = "\n" + std::string(dialect.think_close) + "\n\n";
  if (EndsInThinking(dialect, prompt)) return prompt.ends_with("\n") ? close : "\n" + close;
  if (dialect.template_switches_thinking || TrimRight(prompt).ends_with(dialect.think_close)) {
    return "";
  }
  return std::string(dialect.think_open) + "\n" + close;
}

Capabilities OfJinja(std::string_view template_text, std::string_view family) {
  const auto splits_at_think = [&] {
    return (Has(template_text, "content.split('</think>')") ||
            Has(template_text, "content.split(\"</think>\")")) &&
           !Has(template_text, "reasoning_content") && !Has(template_text, "<SPECIAL_12>");
  };
  Capabilities can;
  can.tools = Has(template_text, "tools") || Has(template_text, "tool_call");
  can.thinking = FamilyThinks(family) || splits_at_think() ||
                 std::any_of(std::begin(kThinks), std::end(kThinks), [&](const ThinkRow& row) {
                   return Has(template_text, row.open) && Has(template_text, row.close);
                 });
  return can;
}

Capabilities OfGo(std::string_view template_text, std::string_view family) {
  Capabilities can;
  can.tools = Has(template_text, ".Tools");
  can.insert = Has(template_text, ".Suffix");
  can.thinking = FamilyThinks(family) ||
                 (Has(template_text, ".Thinking") && Choose(template_text, family).thinks());
  return can;
}

}  // namespace axollama::dialect
