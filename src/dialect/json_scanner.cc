#include "dialect/json_scanner.h"

#include <fmt/format.h>

#include <cctype>
#include <iterator>

namespace axollama::dialect {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void JsonScanner::Reset() {
  state_ = State::kValue;
  depth_ = 0;
  is_key_ = false;
}

JsonScanner::Step JsonScanner::Push(char c, std::string* out) {
  switch (state_) {
    case State::kString:
    case State::kEscape:
    case State::kUnicode:
      return InString(c, out);
    case State::kMinus:
    case State::kZero:
    case State::kDigits:
    case State::kPoint:
    case State::kFraction:
    case State::kExponent:
    case State::kExponentSign:
    case State::kExponentDigits:
      return Number(c, out);
    case State::kLiteral: {
      if (c != literal_.front()) return Step::kFail;
      *out += c;
      literal_.remove_prefix(1);
      return literal_.empty() ? Ended() : Step::kMore;
    }
    default:
      break;
  }
  if (IsSpace(c)) {
    *out += c;
    return Step::kMore;
  }
  const Step step = Container(c);
  if (step != Step::kFail) *out += c;
  return step;
}

JsonScanner::Step JsonScanner::Container(char c) {
  switch (state_) {
    case State::kFirstItem:
      if (c == ']') {
        --depth_;
        return Ended();
      }
      return Begin(c);
    case State::kFirstKey:
      if (c == '}') {
        --depth_;
        return Ended();
      }
      [[fallthrough]];
    case State::kKey:
      if (c != '"') return Step::kFail;
      is_key_ = true;
      state_ = State::kString;
      return Step::kMore;
    case State::kColon:
      if (c != ':') return Step::kFail;
      state_ = State::kValue;
      return Step::kMore;
    case State::kAfter: {
      const bool in_object = is_object_[depth_ - 1];
      if (c == ',') {
        state_ = in_object ? State::kKey : State::kValue;
        return Step::kMore;
      }
      if (c != (in_object ? '}' : ']')) return Step::kFail;
      --depth_;
      return Ended();
    }
    default:
      return Begin(c);
  }
}

JsonScanner::Step JsonScanner::Begin(char c) {
  switch (c) {
    case '{':
    case '[':
      if (depth_ == kMaxDepth) return Step::kFail;
      is_object_[depth_++] = c == '{';
      state_ = c == '{' ? State::kFirstKey : State::kFirstItem;
      return Step::kMore;
    case '"':
      state_ = State::kString;
      return Step::kMore;
    case 't':
      literal_ = "rue";
      break;
    case 'f':
      literal_ = "alse";
      break;
    case 'n':
      literal_ = "ull";
      break;
    case '-':
      state_ = State::kMinus;
      return Step::kMore;
    default:
      if (!IsDigit(c)) return Step::kFail;
      state_ = c == '0' ? State::kZero : State::kDigits;
      return Step::kMore;
  }
  state_ = State::kLiteral;
  return Step::kMore;
}

JsonScanner::Step JsonScanner::Ended() {
  if (depth_ == 0) return Step::kDone;
  state_ = State::kAfter;
  return Step::kMore;
}

JsonScanner::Step JsonScanner::InString(char c, std::string* out) {
  if (state_ == State::kUnicode) {
    if (!std::isxdigit(static_cast<unsigned char>(c))) return Step::kFail;
    *out += c;
    if (--hex_left_ == 0) state_ = State::kString;
    return Step::kMore;
  }
  if (state_ == State::kEscape) {
    if (std::string_view("\"\\/bfnrtu").find(c) == std::string_view::npos) return Step::kFail;
    *out += c;
    hex_left_ = 4;
    state_ = c == 'u' ? State::kUnicode : State::kString;
    return Step::kMore;
  }
  if (static_cast<unsigned char>(c) < 0x20) {
    fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned>(c));
    return Step::kMore;
  }
  *out += c;
  if (c == '\\') {
    state_ = State::kEscape;
  } else if (c == '"') {
    if (!is_key_) return Ended();
    is_key_ = false;
    state_ = State::kColon;
  }
  return Step::kMore;
}

JsonScanner::Step JsonScanner::Number(char c, std::string* out) {
  const auto go = [&](State next) {
    state_ = next;
    *out += c;
    return Step::kMore;
  };
  const bool digit = IsDigit(c);
  const bool exponent = c == 'e' || c == 'E';
  switch (state_) {
    case State::kMinus:
      if (!digit) return Step::kFail;
      return go(c == '0' ? State::kZero : State::kDigits);
    case State::kZero:
    case State::kDigits:
      if (digit && state_ == State::kDigits) return go(State::kDigits);
      if (c == '.') return go(State::kPoint);
      if (exponent) return go(State::kExponent);
      break;
    case State::kPoint:
      return digit ? go(State::kFraction) : Step::kFail;
    case State::kFraction:
      if (digit) return go(State::kFraction);
      if (exponent) return go(State::kExponent);
      break;
    case State::kExponent:
      if (c == '+' || c == '-') return go(State::kExponentSign);
      [[fallthrough]];
    case State::kExponentSign:
      return digit ? go(State::kExponentDigits) : Step::kFail;
    default:  // kExponentDigits
      if (digit) return go(State::kExponentDigits);
      break;
  }
  if (depth_ == 0) return Step::kDoneBefore;
  state_ = State::kAfter;
  return Push(c, out);
}

}  // namespace axollama::dialect
