#include "cli/show_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/one_line.h"
#include "cli/command.h"

namespace axollama::cli {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

constexpr size_t kLicenseLines = 2;  // as many as Ollama shows

void AddSection(const char* title, const Rows& rows, std::string* out) {
  if (rows.empty()) return;
  size_t width = 16;
  for (const auto& [name, value] : rows) width = std::max(width, name.size());
  *out += fmt::format("  {}\n", title);
  for (const auto& [name, value] : rows) {
    *out += value.empty() ? fmt::format("    {}\n", OneLine(name))
                          : fmt::format("    {:<{}}    {}\n", OneLine(name), width, OneLine(value));
  }
  *out += '\n';
}

// Texts of several lines, a line each; no more than `most`.
Rows Lines(std::string_view text, size_t most) {
  Rows rows;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (rows.size() == most) {
      rows.emplace_back("...", "");
      break;
    }
    rows.emplace_back(line, "");
  }
  return rows;
}

const json::Object* Child(const json::Object& object, std::string_view key) {
  const json::Value* value = json::Find(object, key);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

Rows ModelRows(const json::Object& answer) {
  Rows rows;
  const auto add = [&](const char* title, std::string value) {
    if (!value.empty() && value != "0") rows.emplace_back(title, std::move(value));
  };
  const json::Object* info = Child(answer, "model_info");
  const json::Object* details = Child(answer, "details");
  add("remote model", TextField(answer, "remote_model"));
  add("remote URL", TextField(answer, "remote_host"));
  std::string family;
  if (info != nullptr) family = TextField(*info, "general.architecture");
  if (family.empty() && details != nullptr) family = TextField(*details, "family");
  add("architecture", family);
  if (details != nullptr) add("parameters", TextField(*details, "parameter_size"));
  if (info != nullptr) {
    add("context length", std::to_string(NumberField(*info, family + ".context_length")));
    add("embedding length", std::to_string(NumberField(*info, family + ".embedding_length")));
  }
  if (details != nullptr) add("quantization", TextField(*details, "quantization_level"));
  add("requires", TextField(answer, "requires"));
  return rows;
}

Rows Names(const json::Object& answer, std::string_view key) {
  Rows rows;
  const json::Value* list = json::Find(answer, key);
  if (list == nullptr || !list->is_array()) return rows;
  for (const json::Value& item : list->get_array()) {
    if (item.is_string()) rows.emplace_back(json::View(item.get_string()), "");
  }
  return rows;
}

// "stop       \"###\"" a line.
Rows Parameters(const std::string& text) {
  Rows rows;
  for (const auto& [line, none] : Lines(text, std::string::npos)) {
    const size_t end = line.find(' ');
    const size_t value = line.find_first_not_of(' ', end);
    if (value == std::string::npos) {
      rows.emplace_back(line, "");
    } else {
      rows.emplace_back(line.substr(0, end), line.substr(value));
    }
  }
  return rows;
}

Rows Metadata(const json::Object& answer) {
  Rows rows;
  const json::Object* info = Child(answer, "model_info");
  if (info == nullptr) return rows;
  for (const auto& [key, value] : *info) {
    rows.emplace_back(
        std::string_view(key.data(), key.size()),
        value.is_string() ? std::string(json::View(value.get_string())) : json::Write(value));
  }
  return rows;
}

}  // namespace

std::string ShowText(const json::Object& answer, bool verbose) {
  std::string out;
  AddSection("Model", ModelRows(answer), &out);
  AddSection("Capabilities", Names(answer, "capabilities"), &out);
  AddSection("Parameters", Parameters(TextField(answer, "parameters")), &out);
  if (verbose) AddSection("Metadata", Metadata(answer), &out);
  AddSection("System", Lines(TextField(answer, "system"), verbose ? std::string::npos : 2), &out);
  AddSection("License",
             Lines(TextField(answer, "license"), verbose ? std::string::npos : kLicenseLines),
             &out);
  return out;
}

}  // namespace axollama::cli
