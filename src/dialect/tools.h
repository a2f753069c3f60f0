// The functions that a request lets the model call.
//
// Owner and threads: plain values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace axollama::dialect {

struct Tool {
  std::string name;
  json::Object parameters;  // JSON Schema of the arguments; empty: any object
};

// From an array of {"type":"function","function":{"name","parameters"}}, as every API has it once
// it is translated. "" gives none. kInvalid names the element that is wrong.
Result<std::vector<Tool>> ReadTools(std::string_view tools_json);

const Tool* FindTool(const std::vector<Tool>& tools, std::string_view name);

}  // namespace axollama::dialect
