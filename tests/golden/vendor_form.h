// For tests: AXERA's text form of a byte-level BPE tokenizer.json, written as the public converter
// writes it (docs/decisions/vendor-tokenizer.md).
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace axollama::text {

inline std::string Base64(std::string_view bytes) {
  static constexpr char kLetters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += i + k <= bytes.size() ? kLetters[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

// A token in GPT-2's letters as the bytes that it stands for; what is not in them as it is.
inline std::string BytesOf(const std::string& token) {
  static const std::map<uint32_t, char> bytes = [] {
    std::map<uint32_t, char> map;
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 33 && b < 127) || (b >= 161 && b != 173);
      map[printable ? b : next++] = static_cast<char>(b);
    }
    return map;
  }();
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    uint32_t point = static_cast<uint8_t>(token[i]);
    if (point >= 0xc0 && point < 0xe0) point = (point & 31) << 6 | (token[++i] & 63);
    const auto found = bytes.find(point);
    if (found == bytes.end()) return token;
    out += found->second;
  }
  return out;
}

// `type`: 1 or 3.
inline std::string VendorForm(const json::Object& tokenizer, int type) {
  std::vector<std::string> tokens;
  for (const auto& item : tokenizer.at("model").at("vocab").as_object()) {
    const auto id = static_cast<size_t>(item.value().as_int64());
    if (tokens.size() <= id) tokens.resize(id + 1, "<unk>");
    tokens[id] = std::string(item.key());
  }
  const json::Array& added = tokenizer.at("added_tokens").as_array();
  std::string out = fmt::format("430 {}\n{} 1 0\n", type, added.size());
  for (const json::Value& one : added) out += fmt::format("{} ", one.at("id").as_int64());
  out += "2 \n";
  const json::Array& merges = tokenizer.at("model").at("merges").as_array();
  out += type == 3 ? fmt::format("{} {}\n", tokens.size(), merges.size() + 1)
                   : fmt::format("{}\n", tokens.size());
  for (const std::string& token : tokens) {
    out += (type == 3 ? token : Base64(BytesOf(token))) + "\n";
  }
  if (type == 1) return out;
  out += "#version: 0.2\n";
  for (const json::Value& one : merges) out += std::string(json::View(one.as_string())) + "\n";
  return out;
}

}  // namespace axollama::text
