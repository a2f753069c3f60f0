// Chat templates for bundles that have none, by the tokens with which a family marks its turns.
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace axollama::bundle {

struct BuiltinTemplate {
  std::string_view family;  // for people: "ChatML"
  std::string_view source;  // Jinja; empty: none fits
};

BuiltinTemplate FindBuiltinTemplate(const std::map<std::string, int32_t, std::less<>>& tokens);

}  // namespace axollama::bundle
