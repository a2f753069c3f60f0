#include "cli/multiline.h"

namespace axollama::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";
constexpr std::string_view kSetSystem = "/set system ";

}  // namespace

bool Multiline::Add(std::string_view line, std::string* message) {
  if (!open_) {
    const std::string_view head = line.starts_with(kSetSystem) ? kSetSystem : "";
    std::string_view rest = line.substr(head.size());
    if (!rest.starts_with(kQuotes)) {
      *message = line;
      return true;
    }
    text_ = head;
    line = rest.substr(kQuotes.size());
    open_ = true;
  }
  if (!line.ends_with(kQuotes)) {
    text_ += line;
    text_ += '\n';
    return false;
  }
  text_ += line.substr(0, line.size() - kQuotes.size());
  *message = std::move(text_);
  Clear();
  return true;
}

void Multiline::Clear() {
  open_ = false;
  text_.clear();
}

}  // namespace axollama::cli
