#include "runner/closed_schema.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace axollama::runner {
namespace {

// Keywords whose value is a schema or a list of them, and those with schemas by name. What stands
// behind any other one (enum, const, default) is no schema.
constexpr std::string_view kSchemas[] = {"items", "prefixItems", "additionalProperties",
                                         "anyOf", "oneOf",       "allOf"};
constexpr std::string_view kNamedSchemas[] = {"properties", "patternProperties", "$defs",
                                              "definitions"};
// These say what one object must be.
constexpr std::string_view kOfObjects[] = {
    "properties",    "patternProperties",   "required", "minProperties", "maxProperties",
    "propertyNames", "additionalProperties"};
constexpr std::string_view kCombining[] = {"anyOf", "oneOf", "$ref"};

template <size_t n>
bool Has(const json::Object& object, const std::string_view (&keys)[n]) {
  return std::any_of(std::begin(keys), std::end(keys),
                     [&](std::string_view key) { return object.contains(key); });
}

// Calls visit(object) for `value`, if it is a schema, and for all that are in it.
template <typename Visit>
void ForEachSchema(json::Value& value, const Visit& visit) {
  if (json::Array* list = value.if_array()) {
    for (json::Value& one : *list) ForEachSchema(one, visit);
    return;
  }
  json::Object* schema = value.if_object();
  if (schema == nullptr) return;
  visit(*schema);
  for (const std::string_view key : kSchemas) {
    if (json::Value* inner = schema->if_contains(key)) ForEachSchema(*inner, visit);
  }
  for (const std::string_view key : kNamedSchemas) {
    json::Value* named = schema->if_contains(key);
    if (named == nullptr || !named->is_object()) continue;
    for (auto& member : named->get_object()) ForEachSchema(member.value(), visit);
  }
}

bool Combines(const json::Object& schema) {
  const json::Value* all = schema.if_contains("allOf");
  return (all != nullptr && (!all->is_array() || all->get_array().size() > 1 ||
                             Has(schema, kOfObjects) || Has(schema, kCombining))) ||
         (Has(schema, kCombining) && Has(schema, kOfObjects));
}

bool CanBeClosed(const json::Object& schema) {
  const json::Value* properties = schema.if_contains("properties");
  if (properties == nullptr || !properties->is_object() ||
      schema.contains("additionalProperties") || schema.contains("patternProperties") ||
      schema.contains("minProperties")) {
    return false;
  }
  const json::Value* required = schema.if_contains("required");
  if (required == nullptr || !required->is_array()) return true;
  const json::Array& names = required->get_array();
  return std::all_of(names.begin(), names.end(), [&](const json::Value& name) {
    return name.is_string() && properties->get_object().contains(json::View(name.get_string()));
  });
}

}  // namespace

json::Object ClosedSchema(json::Object schema) {
  json::Value root(std::move(schema));
  bool combines = false;
  ForEachSchema(root, [&](json::Object& one) { combines = combines || Combines(one); });
  if (!combines) {
    ForEachSchema(root, [](json::Object& one) {
      if (CanBeClosed(one)) one["additionalProperties"] = false;
    });
  }
  return std::move(root.get_object());
}

}  // namespace axollama::runner
