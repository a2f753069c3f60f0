// A model's Jinja chat template, rendered by the minijinja crate as transformers renders it
// (trim_blocks, lstrip_blocks, raise_exception, strftime_now, tojson, Python methods).
//
// Owner: the caller. Threads: Render from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::text {

class ChatTemplate {
 public:
  static Result<std::unique_ptr<ChatTemplate>> Compile(std::string_view source);
  virtual ~ChatTemplate() = default;

  // `context_json` is an object with messages, add_generation_prompt, bos_token, eos_token, tools
  // and whatever else the template reads. An error of the template is kInvalid.
  virtual Result<std::string> Render(std::string_view context_json) const = 0;

 protected:
  ChatTemplate() = default;
};

}  // namespace axollama::text
