// The project's face of Boost.JSON: parsing without exceptions, and a writer of our own.
//
// Parse accepts strict RFC 8259 text in valid UTF-8, at most 64 levels deep, one value of at most
// kMaxValues parts, and keeps the order of object keys. The writer prints whole doubles as Python
// and Go do (0.8, 5, 1e-7), where Boost.JSON prints 8E-1. What it writes is valid UTF-8 whatever
// the strings hold: a file's name or an error's words may be any bytes; those that are no UTF-8
// become U+FFFD. Threads: plain functions and values.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;
using String = boost::json::string;

// Each part takes some dozens of bytes once it is read, a few of them as text.
inline constexpr size_t kMaxValues = 1'000'000;

// The error says what is wrong and at which byte: `invalid JSON at byte 17: incomplete`.
Result<Value> Parse(std::string_view text);
// Parse, and the value must be an object; `what` names it in the error ("config.json").
Result<Object> ParseObject(std::string_view text, std::string_view what);

std::string Write(const Value& value);
void WriteTo(const Value& value, std::string* out);  // appends
void WriteStringTo(std::string_view text, std::string* out);

// Looks a key up. Absent or null: nullptr.
const Value* Find(const Object& object, std::string_view key);

// Typed reads for untrusted objects. Absent or null: `otherwise`. A wrong type is an error that
// names the key: `"port" must be an integer`. Integers accept whole doubles (8.0).
Result<std::string> GetString(const Object& object, std::string_view key, std::string otherwise);
Result<int64_t> GetInt(const Object& object, std::string_view key, int64_t otherwise);
Result<double> GetDouble(const Object& object, std::string_view key, double otherwise);
Result<bool> GetBool(const Object& object, std::string_view key, bool otherwise);

inline std::string_view View(const String& s) { return {s.data(), s.size()}; }

}  // namespace axollama::json
