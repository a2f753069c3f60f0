#include "base/json.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/stream_parser.hpp>
#include <charconv>
#include <cmath>
#include <iterator>

namespace axollama::json {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the multi-byte character at the start of `text`; 0: it is no UTF-8 (Unicode 15, table
// 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t CharacterBytes(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t size = lead >= 0xC2 && lead <= 0xDF   ? 2
                      : lead >= 0xE0 && lead <= 0xEF ? 3
                      : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                     : 0;
  if (size == 0 || size > text.size()) return 0;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < size; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return size;
}

// Of good JSON: how many values and keys there can be.
size_t CountParts(std::string_view text) {
  size_t count = 1;
  bool in_string = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') ++at;  // whatever it escapes
    if (!in_string && (c == ',' || c == ':' || c == '[' || c == '{')) ++count;
  }
  return count;
}

template <typename Number>
void WriteNumber(Number value, std::string* out) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  out->append(buffer, end);
}

}  // namespace

Result<Value> Parse(std::string_view text) {
  if (CountParts(text) > kMaxValues) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("invalid JSON: it has more than {} values", kMaxValues));
  }
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code error;
  const size_t consumed = parser.write_some(text.data(), text.size(), error);
  if (!error && !parser.done()) parser.finish(error);  // numbers end with the text
  if (!error) {
    const size_t rest = text.find_first_not_of(" \t\r\n", consumed);
    if (rest != std::string_view::npos) {
      return Fail(ErrorKind::kInvalid, fmt::format("invalid JSON at byte {}: extra data", rest));
    }
    return parser.release();
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("invalid JSON at byte {}: {}", consumed, error.message()));
}

Result<Object> ParseObject(std::string_view text, std::string_view what) {
  auto value = Parse(text);
  if (!value) return Fail(value.error().kind, fmt::format("{}: {}", what, value.error().message));
  if (!value->is_object()) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} must be a JSON object", what));
  }
  return std::move(value->as_object());
}

void WriteStringTo(std::string_view text, std::string* out) {
  out->push_back('"');
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) >= 0x80) {
      const size_t size = CharacterBytes(text.substr(at));
      out->append(size == 0 ? kReplacement : text.substr(at, size));
      if (size > 0) at += size - 1;
      continue;
    }
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\b':
        out->append("\\b");
        break;
      case '\f':
        out->append("\\f");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out->push_back(c);
        }
    }
  }
  out->push_back('"');
}

void WriteTo(const Value& value, std::string* out) {
  switch (value.kind()) {
    case boost::json::kind::null:
      out->append("null");
      break;
    case boost::json::kind::bool_:
      out->append(value.get_bool() ? "true" : "false");
      break;
    case boost::json::kind::int64:
      WriteNumber(value.get_int64(), out);
      break;
    case boost::json::kind::uint64:
      WriteNumber(value.get_uint64(), out);
      break;
    case boost::json::kind::double_:
      if (std::isfinite(value.get_double())) {
        WriteNumber(value.get_double(), out);
      } else {
        out->append("null");  // JSON has no word for it
      }
      break;
    case boost::json::kind::string:
      WriteStringTo(View(value.get_string()), out);
      break;
    case boost::json::kind::array: {
      out->push_back('[');
      bool first = true;
      for (const Value& item : value.get_array()) {
        if (!first) out->push_back(',');
        first = false;
        WriteTo(item, out);
      }
      out->push_back(']');
      break;
    }
    case boost::json::kind::object: {
      out->push_back('{');
      bool first = true;
      for (const auto& [key, item] : value.get_object()) {
        if (!first) out->push_back(',');
        first = false;
        WriteStringTo({key.data(), key.size()}, out);
        out->push_back(':');
        WriteTo(item, out);
      }
      out->push_back('}');
      break;
    }
  }
}

std::string Write(const Value& value) {
  std::string out;
  out.reserve(256);  // a line of a streamed answer
  WriteTo(value, &out);
  return out;
}

const Value* Find(const Object& object, std::string_view key) {
  const Value* value = object.if_contains({key.data(), key.size()});
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::string> GetString(const Object& object, std::string_view key, std::string otherwise) {
  const Value* value = Find(object, key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) {
    return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" must be a string", key));
  }
  return std::string(View(value->get_string()));
}

Result<int64_t> GetInt(const Object& object, std::string_view key, int64_t otherwise) {
  const Value* value = Find(object, key);
  if (value == nullptr) return otherwise;
  if (value->is_int64()) return value->get_int64();
  if (value->is_double() && value->get_double() == std::trunc(value->get_double()) &&
      std::abs(value->get_double()) <= kLargestExactInteger) {
    return static_cast<int64_t>(value->get_double());
  }
  return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" must be an integer", key));
}

Result<double> GetDouble(const Object& object, std::string_view key, double otherwise) {
  const Value* value = Find(object, key);
  if (value == nullptr) return otherwise;
  if (value->is_double()) {
    if (std::isfinite(value->get_double())) return value->get_double();
    return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" is too large a number", key));
  }
  if (value->is_int64()) return static_cast<double>(value->get_int64());
  if (value->is_uint64()) return static_cast<double>(value->get_uint64());
  return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" must be a number", key));
}

Result<bool> GetBool(const Object& object, std::string_view key, bool otherwise) {
  const Value* value = Find(object, key);
  if (value == nullptr) return otherwise;
  if (value->is_bool()) return value->get_bool();
  return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" must be true or false", key));
}

}  // namespace axollama::json
