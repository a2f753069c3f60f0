// POST /apply-template: a conversation becomes a prompt.
//
// {messages, tools, chat_template_kwargs} go through the model's Jinja template, as transformers'
// apply_chat_template does it: tools and documents are none where they are not given. With
// "go_template" (text) that template takes its place, and "prompt" with "suffix" may stand for the
// messages; of chat_template_kwargs it sees enable_thinking and reasoning_effort.
// Owner and threads: plain functions and values. Errors: kInvalid, naming the field.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::runner {

struct TemplateRequest {
  std::optional<std::string> go_template;
  std::string context;  // JSON: what the template gets to see
};

Result<TemplateRequest> ReadApplyTemplate(std::string_view body, std::string_view bos_token,
                                          std::string_view eos_token);

}  // namespace axollama::runner
