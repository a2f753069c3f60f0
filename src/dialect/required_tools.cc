#include "dialect/required_tools.h"

#include <fmt/format.h>

#include <algorithm>

namespace axollama::dialect {
namespace {

// Llama's and Mistral's names stand without quotes or in a language of their own.
bool IsPlainName(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

// Lark for `text`: strings, and tokens by their ids, a space before each.
std::string Literal(std::string_view text, std::span<const MarkToken> marks) {
  std::string lark;
  while (!text.empty()) {
    size_t at = text.size();
    const MarkToken* first = nullptr;
    for (const MarkToken& mark : marks) {
      const size_t found = mark.text.empty() ? std::string_view::npos : text.find(mark.text);
      if (found >= at) continue;
      at = found;
      first = &mark;
    }
    if (at > 0) lark += " " + json::Write(json::Value(text.substr(0, at)));
    if (first != nullptr) lark += fmt::format(" <[{}]>", first->id);
    text.remove_prefix(at + (first == nullptr ? 0 : first->text.size()));
  }
  return lark;
}

// The spacing is the one that models were trained on, and a model cannot get lost in white space.
std::string Schema(const Tool& tool) {
  json::Object schema = tool.parameters;
  if (json::Find(schema, "type") == nullptr) schema["type"] = "object";
  const json::Value* properties = json::Find(schema, "properties");
  if (properties != nullptr && schema.find("additionalProperties") == schema.end()) {
    schema["additionalProperties"] = false;
  }
  schema["x-guidance"] = json::Object{
      {"whitespace_flexible", false}, {"item_separator", ", "}, {"key_separator", ": "}};
  return json::Write(schema);
}

}  // namespace

Result<std::string> RequiredToolsGrammar(const Dialect& dialect, const std::vector<Tool>& tools,
                                         const RequiredTools& required,
                                         std::span<const MarkToken> marks) {
  const CallWriting& writing = dialect.writing;
  const bool quoted = writing.name_end.starts_with('"');
  std::string names, rules;
  for (size_t i = 0; i < tools.size(); ++i) {
    const Tool& tool = tools[i];
    if (!required.only.empty() && tool.name != required.only) continue;
    if (FindTool(tools, tool.name) != &tool) continue;  // named twice
    if (!quoted && !IsPlainName(tool.name)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("the tool name {} must be letters, digits, _ - . for this model",
                              json::Write(json::Value(tool.name))));
    }
    std::string name = json::Write(json::Value(tool.name));
    name = quoted ? name.substr(1, name.size() - 2) : tool.name;
    names += fmt::format("{}c{}", names.empty() ? "" : " | ", i);
    rules += fmt::format("c{}:{}{} a{}{}\na{}: %json {}\n", i, Literal(writing.call_open, marks),
                         Literal(name + std::string(writing.name_end), marks), i,
                         Literal(writing.call_close, marks), i, Schema(tool));
  }
  if (names.empty()) {
    return Fail(ErrorKind::kInvalid,
                required.only.empty()
                    ? "a call is required, but there are no tools"
                    : fmt::format("no tool is called \"{}\", which must be called", required.only));
  }
  const std::string calls = fmt::format(
      "{} call{}{}\ncall: {}\n{}", Literal(writing.list_open, marks),
      required.parallel ? " (" + Literal(writing.separator, marks) + " call)*" : std::string(),
      Literal(writing.list_close, marks), names, rules);
  if (required.or_json.empty()) return "%llguidance {}\nstart:" + calls;
  return fmt::format("%llguidance {{}}\nstart: calls | json\njson: %json {}\ncalls:{}",
                     required.or_json, calls);
}

}  // namespace axollama::dialect
