// <function=NAME><parameter=KEY>VALUE</parameter>...</function>, as Qwen3-Coder writes it.
//
// Values stand without quotes; what they are the tool's schema says: where it says string, the text
// is one, else it is JSON if it can be read as such.
#include <string>

#include "dialect/body.h"

namespace axollama::dialect {
namespace {

constexpr std::string_view kFunction = "<function=";
constexpr std::string_view kParameter = "<parameter=";
constexpr std::string_view kParameterEnd = "</parameter>";
constexpr std::string_view kFunctionEnd = "</function>";
constexpr size_t kLongestName = 256;

bool IsText(const Tool& tool, std::string_view key) {
  const json::Value* properties = json::Find(tool.parameters, "properties");
  if (properties == nullptr || !properties->is_object()) return false;
  const json::Value* property = json::Find(properties->get_object(), key);
  if (property == nullptr || !property->is_object()) return false;
  const json::Value* type = json::Find(property->get_object(), "type");
  return type != nullptr && type->is_string() && type->get_string() == "string";
}

std::string Quote(std::string_view text) { return json::Write(json::Value(text)); }

class XmlBody final : public CallBody {
 public:
  XmlBody(bool from_name, CallWriter* calls)
      : calls_(*calls), state_(from_name ? State::kName : State::kBegin) {}

  Step Push(char c) override {
    switch (state_) {
      case State::kBegin:
        text_ += c;
        if (!kFunction.starts_with(text_)) return Step::kFail;
        return text_ == kFunction ? Go(State::kName) : Step::kMore;
      case State::kName: {
        if (c != '>') return Collect(c);
        const Tool* tool = calls_.Find(text_);
        if (tool == nullptr) return Step::kFail;
        tool_ = tool;
        calls_.Begin(*tool);
        return Go(State::kTag);
      }
      case State::kTag:
        if (text_.empty() && IsSpace(c)) return Step::kMore;
        text_ += c;
        if (text_ == kParameter) return Go(State::kKey);
        if (text_ == kFunctionEnd) {
          calls_.Add(any_ ? "}" : "{}");
          return calls_.End() ? Step::kEnd : Step::kFail;
        }
        return kParameter.starts_with(text_) || kFunctionEnd.starts_with(text_) ? Step::kMore
                                                                                : Step::kFail;
      case State::kKey:
        if (c != '>') return Collect(c);
        key_ = text_;
        return Go(State::kValue);
      default:  // kValue
        text_ += c;
        if (!text_.ends_with(kParameterEnd)) return Step::kMore;
        text_.resize(text_.size() - kParameterEnd.size());
        calls_.Add((any_ ? ", " : "{") + Quote(key_) + ": " + ValueOf(text_));
        any_ = true;
        return Go(State::kTag);
    }
  }

 private:
  enum class State { kBegin, kName, kTag, kKey, kValue };

  Step Go(State next) {
    state_ = next;
    text_.clear();
    return Step::kMore;
  }

  Step Collect(char c) {
    text_ += c;
    return c == '\n' || text_.size() > kLongestName ? Step::kFail : Step::kMore;
  }

  std::string ValueOf(std::string_view text) const {
    if (text.starts_with("\n")) text.remove_prefix(1);
    if (text.ends_with("\n")) text.remove_suffix(1);
    if (IsText(*tool_, key_)) return Quote(text);
    if (text == "True" || text == "False") return text == "True" ? "true" : "false";
    if (text == "None") return "null";
    const Result<json::Value> value = json::Parse(text);
    return value ? json::Write(*value) : Quote(text);
  }

  CallWriter& calls_;
  State state_;
  const Tool* tool_ = nullptr;
  bool any_ = false;
  std::string text_, key_;
};

}  // namespace

std::unique_ptr<CallBody> NewXmlBody(bool from_name, CallWriter* calls) {
  return std::make_unique<XmlBody>(from_name, calls);
}

}  // namespace axollama::dialect
