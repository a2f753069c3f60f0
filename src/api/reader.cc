#include "api/reader.h"

#include <fmt/format.h>

#include <cmath>

namespace axollama::api {

std::string Reader::Name(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

Error Reader::Bad(std::string_view key, std::string_view what) const {
  return {ErrorKind::kInvalid, fmt::format("\"{}\" {}", Name(key), what)};
}

Result<std::string> Reader::Text(std::string_view key, std::string_view otherwise) const {
  auto text = json::GetString(*object_, key, std::string(otherwise));
  if (!text) return Fail(Bad(key, "must be a string"));
  return text;
}

Result<bool> Reader::Flag(std::string_view key, bool otherwise) const {
  auto flag = json::GetBool(*object_, key, otherwise);
  if (!flag) return Fail(Bad(key, "must be true or false"));
  return flag;
}

Result<std::optional<int64_t>> Reader::Integer(std::string_view key) const {
  if (Find(key) == nullptr) return std::nullopt;
  auto number = json::GetInt(*object_, key, 0);
  if (!number) return Fail(Bad(key, "must be an integer"));
  return *number;
}

Result<std::optional<double>> Reader::Number(std::string_view key) const {
  if (Find(key) == nullptr) return std::nullopt;
  auto number = json::GetDouble(*object_, key, 0);
  if (!number || !std::isfinite(static_cast<float>(*number))) {
    return Fail(Bad(key, "must be a number that a float32 can hold"));
  }
  return *number;
}

Result<const json::Array*> Reader::List(std::string_view key) const {
  const json::Value* value = Find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) return Fail(Bad(key, "must be an array"));
  return &value->get_array();
}

Result<std::vector<std::string>> Reader::Texts(std::string_view key) const {
  AX_ASSIGN_OR_RETURN(const json::Array* list, List(key));
  std::vector<std::string> texts;
  if (list == nullptr) return texts;
  for (const json::Value& item : *list) {
    if (!item.is_string()) return Fail(Bad(key, "must be an array of strings"));
    texts.emplace_back(json::View(item.get_string()));
  }
  return texts;
}

Result<std::optional<Reader>> Reader::Inner(std::string_view key) const {
  const json::Value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) return Fail(Bad(key, "must be an object"));
  return Reader(value->get_object(), Name(key));
}

Result<std::vector<Reader>> Reader::Items(std::string_view key) const {
  AX_ASSIGN_OR_RETURN(const json::Array* list, List(key));
  std::vector<Reader> items;
  if (list == nullptr) return items;
  for (const json::Value& item : *list) {
    std::string name = fmt::format("{}[{}]", Name(key), items.size());
    if (!item.is_object()) {
      return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" must be an object", name));
    }
    items.emplace_back(item.get_object(), std::move(name));
  }
  return items;
}

}  // namespace axollama::api
