#include "bundle/builtin_templates.h"

#include <algorithm>
#include <array>

namespace axollama::bundle {
namespace {

struct Family {
  std::array<std::string_view, 2> tokens;  // that only its tokenizers have; empty: none
  BuiltinTemplate builtin;
};

// Qwen2.5 and Qwen3: calls in <tool_call>, what tools answer in a user's turn. The last part is
// Qwen3's: a thought that is empty keeps the model from thinking.
#define AX_QWEN                                                                                    \
  "{% set first = messages[0] if messages else {} %}"                                              \
  "{% if tools %}{{ '<|im_start|>system\\n' }}"                                                    \
  "{% if first['role'] == 'system' %}{{ first['content'] + '\\n\\n' }}{% endif %}"                 \
  "{{ '# Tools\\n\\nYou may call one or more functions to help with what the user asks. Their "    \
  "signatures are within <tools></tools>:\\n<tools>' }}"                                           \
  "{% for tool in tools %}{{ '\\n' + tool | tojson }}{% endfor %}"                                 \
  "{{ '\\n</tools>\\n\\nFor each call, give a JSON object with the name and the arguments within " \
  "<tool_call></tool_call>:\\n<tool_call>\\n{\"name\": <function-name>, \"arguments\": "           \
  "<args-json-object>}\\n</tool_call><|im_end|>\\n' }}{% endif %}"                                 \
  "{% for message in messages %}{% set role = message['role'] %}"                                  \
  "{% if role == 'tool' %}"                                                                        \
  "{% if loop.first or messages[loop.index0 - 1]['role'] != 'tool' %}"                             \
  "{{ '<|im_start|>user' }}{% endif %}"                                                            \
  "{{ '\\n<tool_response>\\n' + message['content'] + '\\n</tool_response>' }}"                     \
  "{% if loop.last or messages[loop.index0 + 1]['role'] != 'tool' %}{{ '<|im_end|>\\n' }}"         \
  "{% endif %}"                                                                                    \
  "{% elif not (tools and loop.first and role == 'system') %}"                                     \
  "{{ '<|im_start|>' + role + '\\n' + message['content'] }}"                                       \
  "{% for call in message['tool_calls'] or [] %}"                                                  \
  "{{ '\\n' if message['content'] or not loop.first else '' }}"                                    \
  "{{ '<tool_call>\\n{\"name\": \"' + call['function']['name'] + '\", \"arguments\": ' + "         \
  "call['function']['arguments'] | tojson + '}\\n</tool_call>' }}{% endfor %}"                     \
  "{{ '<|im_end|>\\n' }}{% endif %}{% endfor %}"                                                   \
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"

constexpr Family kFamilies[] = {
    {{"<|im_start|>", "<think>"},
     {"Qwen3", AX_QWEN "{% if enable_thinking is defined and not enable_thinking %}"
                       "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"}},
    {{"<|im_start|>", "<tool_call>"}, {"Qwen2.5", AX_QWEN "{% endif %}"}},
    {{"<|im_start|>"},
     {"ChatML",
      "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
      "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"}},
    {{"<|start_header_id|>"},
     {"Llama 3",
      "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
      "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
      "{% endif %}"}},
    // Gemma knows no system turn: what it says stands before the next turn's words.
    {{"<start_of_turn>"},
     {"Gemma",
      "{{ bos_token }}{% set ns = namespace(before='') %}{% for message in messages %}"
      "{% if message['role'] == 'system' %}"
      "{% set ns.before = ns.before + message['content'] | trim + '\\n\\n' %}"
      "{% else %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else "
      "message['role']) + '\\n' + ns.before + message['content'] | trim + '<end_of_turn>\\n' }}"
      "{% set ns.before = '' %}{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"}},
    // DeepSeek-R1 and what was distilled from it: it always thinks.
    {{"<｜User｜>", "<think>"},
     {"DeepSeek-R1",
      "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
      "{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'assistant' %}"
      "{{ '<｜Assistant｜>' + message['content'].split('</think>')[-1] + "
      "'<｜end▁of▁sentence｜>' }}{% else %}{{ message['content'] }}{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"}},
};
#undef AX_QWEN

}  // namespace

BuiltinTemplate FindBuiltinTemplate(const std::map<std::string, int32_t, std::less<>>& tokens) {
  for (const Family& family : kFamilies) {
    if (std::all_of(family.tokens.begin(), family.tokens.end(), [&](std::string_view token) {
          return token.empty() || tokens.contains(token);
        })) {
      return family.builtin;
    }
  }
  return {};
}

}  // namespace axollama::bundle
