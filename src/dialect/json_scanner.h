// Checks one JSON value byte by byte, as it is being written.
//
// Strict RFC 8259, at most kMaxDepth levels, with one kindness: a control character in a string (a
// model's raw line end) is written out as its escape. No recursion; no memory but one bit a level.
// Owner: the parser of a call's body. Threads: one at a time.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>

namespace axollama::dialect {

class JsonScanner {
 public:
  // Arguments come back inside of messages, and base/json reads 64 levels.
  static constexpr size_t kMaxDepth = 48;

  enum class Step {
    kMore,
    kDone,        // the value ended with this byte
    kDoneBefore,  // it ended before this byte: a number
    kFail,
  };

  void Reset();
  // Appends to `out` what the byte adds to the value: nothing with kDoneBefore and kFail.
  Step Push(char c, std::string* out);

 private:
  enum class State : uint8_t {
    kValue,      // a value must begin
    kFirstItem,  // after [: a value or ]
    kFirstKey,   // after {: a key or }
    kKey,        // after , in an object
    kColon,
    kAfter,  // a value inside of something ended
    kString,
    kEscape,
    kUnicode,
    kLiteral,
    kMinus,
    kZero,
    kDigits,
    kPoint,
    kFraction,
    kExponent,
    kExponentSign,
    kExponentDigits,
  };

  Step Begin(char c);
  Step Ended();  // a value: the whole, or one in something
  Step InString(char c, std::string* out);
  Step Number(char c, std::string* out);
  Step Container(char c);

  State state_ = State::kValue;
  std::bitset<kMaxDepth> is_object_;
  size_t depth_ = 0;
  bool is_key_ = false;       // the string being read
  std::string_view literal_;  // what is left of true, false or null
  int hex_left_ = 0;
};

}  // namespace axollama::dialect
