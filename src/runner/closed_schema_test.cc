#include "runner/closed_schema.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace axollama::runner {
namespace {

std::string Closed(std::string_view schema) {
  const auto object = json::ParseObject(schema, "schema");
  EXPECT_TRUE(object) << schema;
  return object ? json::Write(ClosedSchema(*object)) : "";
}

TEST(ClosedSchemaTest, ObjectsWithNamedPropertiesHaveNoOthers) {
  EXPECT_EQ(Closed(R"({"properties":{"a":{"type":"integer"}},"required":["a"]})"),
            R"({"properties":{"a":{"type":"integer"}},"required":["a"],)"
            R"("additionalProperties":false})");
  EXPECT_EQ(Closed(R"({"type":"array","items":{"anyOf":[{"properties":{}},{"$ref":"#/$defs/d"}]},)"
                   R"("$defs":{"d":{"properties":{"properties":{"properties":{}}}}}})"),
            R"({"type":"array","items":{"anyOf":[{"properties":{},"additionalProperties":false},)"
            R"({"$ref":"#/$defs/d"}]},"$defs":{"d":{"properties":{"properties":{"properties":{},)"
            R"("additionalProperties":false}},"additionalProperties":false}}})");
  // One schema in allOf, as older versions of pydantic write a reference.
  EXPECT_EQ(Closed(R"({"allOf":[{"properties":{}}]})"),
            R"({"allOf":[{"properties":{},"additionalProperties":false}]})");
}

TEST(ClosedSchemaTest, WhatSaysOtherwiseStaysAsItIs) {
  for (const std::string_view schema : {
           R"({"type":"object"})",
           R"({"properties":{},"additionalProperties":true})",
           R"({"properties":{},"additionalProperties":{"type":"string"}})",
           R"({"properties":{},"patternProperties":{"^a":{}}})",
           R"({"properties":{},"minProperties":1})",
           R"({"properties":{"a":{}},"required":["b"]})",
           R"({"enum":[{"properties":{}}],"default":{"properties":{}}})",
           R"({"properties":7})",
       }) {
    EXPECT_EQ(Closed(schema), schema);
  }
}

TEST(ClosedSchemaTest, SchemasOfOneObjectTogetherStayOpen) {
  for (
      const std::string_view schema : {
          R"({"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]})",
          R"({"properties":{"a":{}},"anyOf":[{"required":["a"]}]})",
          R"({"required":["a"],"oneOf":[{"properties":{"a":{}}}]})",
          R"({"items":{"properties":{"a":{}},"$ref":"#/$defs/d"},"$defs":{"d":{"properties":{}}}})",
          R"({"anyOf":[{"properties":{}}],"allOf":[{"properties":{}}]})",
      }) {
    EXPECT_EQ(Closed(schema), schema);
  }
}

}  // namespace
}  // namespace axollama::runner
