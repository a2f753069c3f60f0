#include "runner/apply_template.h"

#include <utility>

#include "base/json.h"

namespace axollama::runner {
namespace {

Error Field(std::string_view key, std::string_view must) {
  return {ErrorKind::kInvalid, "\"" + std::string(key) + "\" must be " + std::string(must)};
}

Status CheckMessages(const json::Value* messages) {
  if (messages == nullptr || !messages->is_array()) {
    return Fail(Field("messages", "an array of messages"));
  }
  for (const json::Value& message : messages->get_array()) {
    const json::Object* fields = message.if_object();
    const json::Value* role = fields == nullptr ? nullptr : json::Find(*fields, "role");
    if (role == nullptr || !role->is_string()) {
      return Fail(Field("messages", "an array of objects with a \"role\""));
    }
  }
  return {};
}

Result<std::string> GoContext(const json::Object& object, const json::Value& tools,
                              const json::Object& kwargs) {
  json::Object context{{"tools", tools}};
  AX_ASSIGN_OR_RETURN(const std::string suffix, json::GetString(object, "suffix", ""));
  AX_ASSIGN_OR_RETURN(const std::string prompt, json::GetString(object, "prompt", ""));
  if (suffix.empty()) {
    const json::Value* messages = json::Find(object, "messages");
    AX_RETURN_IF_ERROR(CheckMessages(messages));
    context["messages"] = *messages;
  } else {
    context["prompt"] = prompt;
    context["suffix"] = suffix;
  }
  context["is_think_set"] = json::Find(kwargs, "enable_thinking") != nullptr;
  AX_ASSIGN_OR_RETURN(context["think"], json::GetBool(kwargs, "enable_thinking", false));
  AX_ASSIGN_OR_RETURN(context["think_level"], json::GetString(kwargs, "reasoning_effort", ""));
  return json::Write(context);
}

}  // namespace

Result<TemplateRequest> ReadApplyTemplate(std::string_view body, std::string_view bos_token,
                                          std::string_view eos_token) {
  AX_ASSIGN_OR_RETURN(json::Object object, json::ParseObject(body, "the request"));
  json::Object kwargs;
  if (const json::Value* more = json::Find(object, "chat_template_kwargs")) {
    if (!more->is_object()) return Fail(Field("chat_template_kwargs", "an object"));
    kwargs = more->get_object();
  }
  json::Value tools;
  if (const json::Value* given = json::Find(object, "tools")) {
    if (!given->is_array()) return Fail(Field("tools", "an array"));
    if (!given->get_array().empty()) tools = *given;
  }
  TemplateRequest request;
  if (json::Find(object, "go_template") != nullptr) {
    AX_ASSIGN_OR_RETURN(request.go_template, json::GetString(object, "go_template", ""));
    AX_ASSIGN_OR_RETURN(request.context, GoContext(object, tools, kwargs));
    return request;
  }
  const json::Value* messages = json::Find(object, "messages");
  AX_RETURN_IF_ERROR(CheckMessages(messages));
  json::Object context{{"messages", *messages},  {"tools", std::move(tools)},
                       {"documents", nullptr},   {"add_generation_prompt", true},
                       {"bos_token", bos_token}, {"eos_token", eos_token}};
  for (const auto& [key, value] : kwargs) context[key] = value;
  request.context = json::Write(context);
  return request;
}

}  // namespace axollama::runner
