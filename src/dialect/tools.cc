#include "dialect/tools.h"

#include <fmt/format.h>

namespace axollama::dialect {
namespace {

Result<Tool> ReadTool(const json::Value& value, size_t index) {
  const auto bad = [index](std::string_view what) {
    return Fail(ErrorKind::kInvalid, fmt::format("\"tools[{}]{}", index, what));
  };
  const json::Object* object = value.if_object();
  if (object == nullptr) return bad("\" must be an object");
  const json::Value* function = json::Find(*object, "function");
  if (function == nullptr || !function->is_object()) return bad(".function\" must be an object");
  const json::Value* name = json::Find(function->get_object(), "name");
  if (name == nullptr || !name->is_string() || name->get_string().empty()) {
    return bad(".function.name\" must be a string that is not empty");
  }
  Tool tool{std::string(json::View(name->get_string())), {}};
  const json::Value* parameters = json::Find(function->get_object(), "parameters");
  if (parameters != nullptr) {
    if (!parameters->is_object()) return bad(".function.parameters\" must be an object");
    tool.parameters = parameters->get_object();
  }
  return tool;
}

}  // namespace

Result<std::vector<Tool>> ReadTools(std::string_view tools_json) {
  std::vector<Tool> tools;
  if (tools_json.empty()) return tools;
  AX_ASSIGN_OR_RETURN(const json::Value value, json::Parse(tools_json));
  if (!value.is_array()) return Fail(ErrorKind::kInvalid, "\"tools\" must be an array");
  for (const json::Value& item : value.get_array()) {
    AX_ASSIGN_OR_RETURN(Tool tool, ReadTool(item, tools.size()));
    tools.push_back(std::move(tool));
  }
  return tools;
}

const Tool* FindTool(const std::vector<Tool>& tools, std::string_view name) {
  for (const Tool& tool : tools) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

}  // namespace axollama::dialect
