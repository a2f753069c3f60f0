#include "cli/create_request.h"

#include <fmt/format.h>

namespace axollama::cli {
namespace {

// Texts that may stand several times become a list; `value` is its next member.
void Append(json::Object* body, std::string_view key, json::Value value) {
  json::Value& slot = (*body)[key];
  if (!slot.is_array()) slot = json::Array();
  slot.get_array().push_back(std::move(value));
}

Status AddParameter(const api::ModelfileCommand& command, json::Object* parameters) {
  AX_ASSIGN_OR_RETURN(json::Value value, api::ParseParameter(command.name, command.value));
  json::Value& slot = (*parameters)[command.name];
  if (slot.is_array() && value.is_array()) {
    for (json::Value& one : value.get_array()) slot.get_array().push_back(std::move(one));
  } else {
    slot = std::move(value);
  }
  return {};
}

}  // namespace

Result<CreatePlan> PlanCreate(const std::string& name,
                              const std::vector<api::ModelfileCommand>& commands,
                              const std::string& quantize) {
  CreatePlan plan;
  plan.body = {{"model", name}};
  json::Object parameters;
  for (const api::ModelfileCommand& command : commands) {
    if (command.parameter) {
      AX_RETURN_IF_ERROR(AddParameter(command, &parameters));
    } else if (command.name == "from") {
      if (!plan.from.empty()) {
        return Fail(ErrorKind::kInvalid,
                    fmt::format("the Modelfile has two FROM lines, {} and {}: a model is made of "
                                "one",
                                plan.from, command.value));
      }
      plan.from = command.value;
    } else if (command.name == "license") {
      Append(&plan.body, "license", json::Value(command.value));
    } else if (command.name == "message") {
      Append(&plan.body, "messages",
             json::Object{{"role", command.role}, {"content", command.value}});
    } else if (command.name == "adapter") {
      return Fail(ErrorKind::kInvalid,
                  "ADAPTER: models for the card take no adapters; merge it into the model first");
    } else if (command.name == "draft") {
      return Fail(ErrorKind::kInvalid, "DRAFT: models for the card have no draft model");
    } else {
      plan.body[command.name] = command.value;  // the server says which of them it knows
    }
  }
  if (!parameters.empty()) plan.body["parameters"] = std::move(parameters);
  if (!quantize.empty()) plan.body["quantize"] = quantize;
  return plan;
}

}  // namespace axollama::cli
