#include "bundle/builtin_templates.h"

namespace axollama::bundle {
namespace {

struct Family {
  std::string_view token;  // that only its tokenizers have
  BuiltinTemplate builtin;
};

constexpr Family kFamilies[] = {
    {"<|im_start|>",
     {"ChatML",
      "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
      "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"}},
    {"<|start_header_id|>",
     {"Llama 3",
      "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
      "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
      "{% endif %}"}},
    // Gemma knows no system turn: what it says stands before the next turn's words.
    {"<start_of_turn>",
     {"Gemma",
      "{{ bos_token }}{% set ns = namespace(before='') %}{% for message in messages %}"
      "{% if message['role'] == 'system' %}"
      "{% set ns.before = ns.before + message['content'] | trim + '\\n\\n' %}"
      "{% else %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else "
      "message['role']) + '\\n' + ns.before + message['content'] | trim + '<end_of_turn>\\n' }}"
      "{% set ns.before = '' %}{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"}},
};

}  // namespace

BuiltinTemplate FindBuiltinTemplate(const std::map<std::string, int32_t, std::less<>>& tokens) {
  for (const Family& family : kFamilies) {
    if (tokens.contains(family.token)) return family.builtin;
  }
  return {};
}

}  // namespace axollama::bundle
