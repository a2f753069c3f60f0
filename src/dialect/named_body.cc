// NAME[ARGS]{...}: the name as it is, one of the form's name_ends, an object.
#include <cstring>
#include <string>

#include "dialect/body.h"
#include "dialect/json_scanner.h"

namespace axollama::dialect {
namespace {

constexpr size_t kLongestHead = 256;

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::strchr("_-.:/", c) != nullptr);
}

class NamedBody final : public CallBody {
 public:
  NamedBody(const CallForm& form, CallWriter* calls) : form_(form), calls_(*calls) {}

  Step Push(char c) override {
    if (!calls_.begun()) {
      if (c != '{') {
        head_ += c;
        return head_.size() > kLongestHead ? Step::kFail : Step::kMore;
      }
      const Tool* tool = ToolOfHead();
      if (tool == nullptr) return Step::kFail;
      calls_.Begin(*tool);
    }
    text_.clear();
    const JsonScanner::Step step = scanner_.Push(c, &text_);
    calls_.Add(text_);
    if (step == JsonScanner::Step::kMore) return Step::kMore;
    return step == JsonScanner::Step::kDone && calls_.End() ? Step::kEnd : Step::kFail;
  }

 private:
  const Tool* ToolOfHead() const {
    std::string_view head = head_;
    if (head.starts_with(form_.name_prefix)) head.remove_prefix(form_.name_prefix.size());
    size_t size = 0;
    while (size < head.size() && IsNameByte(head[size])) ++size;
    const std::string_view rest = head.substr(size);
    bool ends = rest.find_first_not_of(" \t\r\n") == std::string_view::npos;
    for (const std::string_view end : form_.name_ends) {
      ends = ends || (!end.empty() && rest.starts_with(end));
    }
    return ends ? calls_.Find(head.substr(0, size)) : nullptr;
  }

  const CallForm& form_;
  CallWriter& calls_;
  std::string head_, text_;
  JsonScanner scanner_;
};

}  // namespace

std::unique_ptr<CallBody> NewNamedBody(const CallForm& form, CallWriter* calls) {
  return std::make_unique<NamedBody>(form, calls);
}

std::unique_ptr<CallBody> BeginBody(const CallForm& form, char c, CallWriter* calls) {
  if ((form.bodies & kJson) != 0 && (c == '{' || c == '[')) return NewJsonBody(calls);
  if (form.open == "<function=") return NewXmlBody(true, calls);
  if ((form.bodies & kXml) != 0 && c == '<') return NewXmlBody(false, calls);
  if ((form.bodies & kNamed) != 0 && IsNameByte(c)) return NewNamedBody(form, calls);
  return nullptr;
}

}  // namespace axollama::dialect
