#include "net/http.h"

#include <algorithm>

namespace axollama::net {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string_view Headers::Get(std::string_view name) const {
  for (const auto& [key, value] : list) {
    if (SameName(key, name)) return value;
  }
  return {};
}

void Headers::Set(std::string name, std::string value) {
  for (auto& [key, old] : list) {
    if (SameName(key, name)) {
      old = std::move(value);
      return;
    }
  }
  list.emplace_back(std::move(name), std::move(value));
}

}  // namespace axollama::net
