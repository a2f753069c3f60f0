#include "api/modelfile.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "api/options.h"
#include "api/version.h"

namespace axollama::api {
namespace {

constexpr size_t kMaxBytes = 16u << 20, kMaxCommands = 10'000;
constexpr std::string_view kCommands[] = {"from",      "license", "template", "system",
                                          "adapter",   "draft",   "renderer", "parser",
                                          "parameter", "message", "requires"};
constexpr std::string_view kRoles[] = {"system", "user", "assistant"};
// As Ollama lists them in its errors.
constexpr std::string_view kCommandError =
    "command must be one of \"from\", \"license\", \"template\", \"system\", \"adapter\", "
    "\"draft\", \"renderer\", \"parser\", \"parameter\", \"message\", or \"requires\"";
constexpr std::string_view kRoleError =
    "message role must be one of \"system\", \"user\", or \"assistant\"";

bool IsSpace(char c) { return c == ' ' || c == '\t'; }
bool IsNewline(char c) { return c == '\n' || c == '\r'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsNameCharacter(char c) { return IsAlpha(c) || (c >= '0' && c <= '9') || c == '_'; }

template <size_t N>
bool Among(const std::string_view (&list)[N], std::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// `text` without its quotes; false when they are not closed.
bool Unquote(std::string_view* text) {
  for (const std::string_view quote : {std::string_view("\"\"\""), std::string_view("\"")}) {
    if (!text->starts_with(quote)) continue;
    if (text->size() < 2 * quote.size() || !text->ends_with(quote)) return false;
    *text = text->substr(quote.size(), text->size() - 2 * quote.size());
    return true;
  }
  return true;
}

std::string WithoutControls(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 && byte != 0x7f) || IsSpace(c) || IsNewline(c)) out += c;
  }
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<std::vector<ModelfileCommand>> Read() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    while (SkipToCommand()) {
      if (commands_.size() == kMaxCommands) return Bad("there are too many commands");
      AX_RETURN_IF_ERROR(ReadCommand());
    }
    const bool any = std::any_of(commands_.begin(), commands_.end(),
                                 [](const ModelfileCommand& c) { return c.name == "from"; });
    if (!any) return Fail(ErrorKind::kInvalid, "no FROM line");
    return std::move(commands_);
  }

 private:
  bool More() const { return at_ < text_.size(); }

  tl::unexpected<Error> Bad(std::string_view what) const {
    const auto line =
        1 + std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(at_), '\n');
    return Fail(ErrorKind::kInvalid, fmt::format("(line {}): {}", line, what));
  }

  // Past blank lines and comments; false at the end.
  bool SkipToCommand() {
    while (More()) {
      if (text_[at_] == '#') {
        while (More() && !IsNewline(text_[at_])) ++at_;
      } else if (IsSpace(text_[at_]) || IsNewline(text_[at_])) {
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }

  // The characters for which `part_of` holds, and the space behind them.
  Result<std::string_view> Word(bool (*part_of)(char), std::string_view error) {
    const size_t begin = at_;
    while (More() && part_of(text_[at_])) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (!More()) return Bad("unexpected EOF");
    if (word.empty() || !IsSpace(text_[at_])) return Bad(error);
    ++at_;
    return word;
  }

  void SkipSpaces() {
    while (More() && IsSpace(text_[at_])) ++at_;
  }

  Status ReadCommand() {
    AX_ASSIGN_OR_RETURN(const std::string_view word, Word(IsAlpha, kCommandError));
    ModelfileCommand command;
    command.name = Lower(word);
    if (!Among(kCommands, command.name)) return Bad(kCommandError);
    if (command.name == "parameter") {
      SkipSpaces();
      AX_ASSIGN_OR_RETURN(const std::string_view name,
                          Word(IsNameCharacter, "a parameter needs a name and a value"));
      command.name = name;
      command.parameter = true;
    } else if (command.name == "message") {
      SkipSpaces();
      AX_ASSIGN_OR_RETURN(const std::string_view role, Word(IsAlpha, kRoleError));
      if (!Among(kRoles, role)) return Bad(kRoleError);
      command.role = role;
    }
    AX_RETURN_IF_ERROR(ReadValue(&command.value));
    if (command.name == "requires") {
      auto version = ParseVersion(command.value);
      if (!version) return Bad(version.error().message);
      command.value = *std::move(version);
    }
    commands_.push_back(std::move(command));
    return {};
  }

  // To the end of the line; quoted ones to the end of the line on which the quotes close.
  Status ReadValue(std::string* value) {
    size_t first = std::string_view::npos, end = 0;  // of what is not blank
    for (;;) {
      const size_t begin = at_;
      while (More() && !IsNewline(text_[at_])) ++at_;
      const std::string_view line = Trimmed(text_.substr(begin, at_ - begin));
      if (!line.empty()) {
        const auto place = static_cast<size_t>(line.data() - text_.data());
        first = std::min(first, place);
        end = place + line.size();
      }
      std::string_view text = end == 0 ? "" : text_.substr(first, end - first);
      if (Unquote(&text)) {
        *value = WithoutControls(text);
        return {};
      }
      if (!More()) return Bad("unexpected EOF");
      ++at_;
    }
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::vector<ModelfileCommand> commands_;
};

std::string Quoted(const std::string& text) {
  // One that begins with quotes would be taken for a quoted one.
  const bool needs = text.find('\n') != std::string::npos || text.starts_with(' ') ||
                     text.ends_with(' ') || text.starts_with('"');
  if (!needs) return text;
  return text.find('"') != std::string::npos ? fmt::format("\"\"\"{}\"\"\"", text)
                                             : fmt::format("\"{}\"", text);
}

// The text as JSON's number, boolean or string, whichever it can be.
json::Value Literal(std::string_view text) {
  if (text == "true" || text == "false") return text == "true";
  int64_t whole = 0;
  const char* const end = text.data() + text.size();
  if (const auto [at, error] = std::from_chars(text.data(), end, whole);
      error == std::errc() && at == end) {
    return whole;
  }
  double number = 0;
  if (const auto [at, error] = std::from_chars(text.data(), end, number);
      error == std::errc() && at == end) {
    return number;
  }
  return json::Value(text);
}

}  // namespace

Result<std::vector<ModelfileCommand>> ParseModelfile(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return Fail(ErrorKind::kInvalid, fmt::format("a Modelfile of {} bytes is over the limit of {}",
                                                 text.size(), kMaxBytes));
  }
  return Reader(text).Read();
}

std::string WriteModelfile(const std::vector<ModelfileCommand>& commands) {
  std::string out;
  for (const ModelfileCommand& command : commands) {
    std::string head = command.name;
    for (char& c : head) {
      if (!command.parameter && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    if (command.parameter) head = "PARAMETER " + head;
    if (!command.role.empty()) head += " " + command.role;
    out += fmt::format("{} {}\n", head, Quoted(command.value));
  }
  return out;
}

Result<json::Value> ParseParameter(std::string_view name, std::string_view text) {
  json::Value value = name == "stop" ? json::Value(json::Array{json::Value(text)}) : Literal(text);
  AX_ASSIGN_OR_RETURN(const Options options,
                      ParseOptions({{"options", json::Object{{name, value}}}}));
  if (!options.unknown.empty()) {
    return Fail(ErrorKind::kInvalid, fmt::format("unknown parameter '{}'", name));
  }
  return value;
}

}  // namespace axollama::api
