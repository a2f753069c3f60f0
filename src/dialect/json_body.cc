// {"name": "f", "arguments": {...}}, its keys in any order, others skipped; or an array of such.
// OpenAI's {"type": "function", "function": {...}} around it is seen through.
#include <string>

#include "dialect/body.h"
#include "dialect/json_scanner.h"

namespace axollama::dialect {
namespace {

bool NamesName(std::string_view key) { return key == "name" || key == "function"; }
bool NamesArguments(std::string_view key) { return key == "arguments" || key == "parameters"; }

// The text of a JSON string literal.
std::string Unquote(std::string_view literal) {
  const Result<json::Value> value = json::Parse(literal);
  return value && value->is_string() ? std::string(json::View(value->get_string())) : "";
}

class JsonBody final : public CallBody {
 public:
  explicit JsonBody(CallWriter* calls) : calls_(*calls) {}

  Step Push(char c) override {
    switch (state_) {
      case State::kKeyText:
      case State::kName:
      case State::kArguments:
      case State::kArgumentsText:
      case State::kOther:
        return InValue(c);
      default:
        return IsSpace(c) ? Step::kMore : Between(c);
    }
  }

 private:
  enum class State {
    kOpen,
    kFirstKey,
    kKey,
    kColon,
    kValue,
    kAfterValue,
    kAfterObject,  // in an array
    kKeyText,      // from here on the scanner reads
    kName,
    kArguments,
    kArgumentsText,  // an object in a string, as OpenAI has it
    kOther,
  };

  Step Go(State next) {
    state_ = next;
    return Step::kMore;
  }

  Step Between(char c) {
    switch (state_) {
      case State::kOpen:
        if (c == '[' && !in_array_) {
          in_array_ = true;
          return Step::kMore;
        }
        return c == '{' ? Go(State::kFirstKey) : Step::kFail;
      case State::kFirstKey:
        if (c == '}') return ObjectEnds();
        [[fallthrough]];
      case State::kKey:
        return c == '"' ? Scan(State::kKeyText, c) : Step::kFail;
      case State::kColon:
        return c == ':' ? Go(State::kValue) : Step::kFail;
      case State::kValue:
        return Value(c);
      case State::kAfterValue:
        if (c == ',') return Go(State::kKey);
        return c == '}' ? ObjectEnds() : Step::kFail;
      default:  // kAfterObject
        if (c == ',') return Go(State::kOpen);
        return c == ']' ? Step::kEnd : Step::kFail;
    }
  }

  Step Value(char c) {
    if (NamesArguments(key_)) {
      if (has_arguments_) return Step::kFail;
      has_arguments_ = true;
      if (c == '{') {
        if (tool_ != nullptr && !calls_.begun()) calls_.Begin(*tool_);
        return Scan(State::kArguments, c);
      }
      if (c == '"') return Scan(State::kArgumentsText, c);
      return c == 'n' ? Scan(State::kOther, c) : Step::kFail;
    }
    if (NamesName(key_)) {
      if (key_ == "function" && c == '{' && !inside_) {
        inside_ = true;
        return Go(State::kFirstKey);
      }
      return c == '"' && tool_ == nullptr ? Scan(State::kName, c) : Step::kFail;
    }
    return Scan(State::kOther, c);
  }

  Step Scan(State what, char c) {
    state_ = what;
    scanner_.Reset();
    text_.clear();
    return InValue(c);
  }

  Step InValue(char c) {
    // Arguments are streamed as soon as the name is known; the rest is small, or thrown away.
    const bool stream = state_ == State::kArguments && tool_ != nullptr;
    if (stream || state_ == State::kOther) text_.clear();
    const JsonScanner::Step step = scanner_.Push(c, &text_);
    if (step == JsonScanner::Step::kFail) return Step::kFail;
    if (stream) calls_.Add(text_);
    if (step == JsonScanner::Step::kMore) return Step::kMore;
    if (!ValueEnds()) return Step::kFail;
    return step == JsonScanner::Step::kDoneBefore ? Push(c) : Step::kMore;
  }

  bool ValueEnds() {
    const State ended = state_;
    state_ = ended == State::kKeyText ? State::kColon : State::kAfterValue;
    switch (ended) {
      case State::kKeyText:
        key_ = Unquote(text_);
        return true;
      case State::kName:
        tool_ = calls_.Find(Unquote(text_));
        if (tool_ == nullptr) return false;
        if (!held_arguments_.empty()) {
          calls_.Begin(*tool_);
          calls_.Add(held_arguments_);
        }
        return true;
      case State::kArguments:
        if (tool_ == nullptr) held_arguments_ = text_;
        return true;
      case State::kArgumentsText:
        held_arguments_ = Unquote(text_);
        if (!json::ParseObject(held_arguments_, "the arguments")) return false;
        if (tool_ != nullptr) {
          calls_.Begin(*tool_);
          calls_.Add(held_arguments_);
        }
        return true;
      default:
        return true;
    }
  }

  Step ObjectEnds() {
    if (inside_) {
      inside_ = false;
      return Go(State::kAfterValue);
    }
    if (tool_ == nullptr) return Step::kFail;
    if (!calls_.begun()) {
      calls_.Begin(*tool_);
      calls_.Add("{}");
    }
    if (!calls_.End()) return Step::kFail;
    tool_ = nullptr;
    has_arguments_ = false;
    held_arguments_.clear();
    return in_array_ ? Go(State::kAfterObject) : Step::kEnd;
  }

  CallWriter& calls_;
  State state_ = State::kOpen;
  JsonScanner scanner_;
  bool in_array_ = false;
  bool inside_ = false;  // of "function": {...}
  bool has_arguments_ = false;
  const Tool* tool_ = nullptr;
  std::string key_, text_, held_arguments_;
};

}  // namespace

std::unique_ptr<CallBody> NewJsonBody(CallWriter* calls) {
  return std::make_unique<JsonBody>(calls);
}

}  // namespace axollama::dialect
