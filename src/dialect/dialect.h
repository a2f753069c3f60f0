// How a family of models writes thinking and tool calls: marks and shapes, as data.
//
// A Dialect is chosen once per model from its chat template's text (Jinja or Go) and its family,
// and tells the parser what to look for, and the grammar of required calls how to write.
// Owner and threads: plain values that point at constants. Source: the families' published chat
// templates; what a template does not show (bare JSON, forgotten marks) is what the models do.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace axollama::dialect {

// What may stand after a call's opening mark.
enum Body : uint8_t {
  kJson = 1,   // {"name": ..., "arguments"|"parameters": {...}}, or an array of them
  kNamed = 2,  // a name, one of name_ends, an object
  kXml = 4,    // <function=NAME><parameter=KEY>VALUE</parameter>...</function>
};

struct CallForm {
  std::string_view open;     // empty: without a mark, where the answer begins with { or [
  uint8_t bodies = kJson;    // of Body
  std::string_view prelude;  // a mark that may stand before the first `open`
  std::array<std::string_view, 3> closers{};       // what may follow a call, in any order
  std::string_view name_prefix = "";               // of kNamed, before the name
  std::array<std::string_view, 3> name_ends = {};  // of kNamed, what may follow the name
};

// How calls are written when they are required:
// list_open (call_open NAME name_end ARGUMENTS call_close) separator ... list_close
struct CallWriting {
  std::string_view list_open, call_open, name_end, call_close, separator, list_close;
};

struct Dialect {
  std::string_view name;
  std::string_view think_open, think_close;  // empty: the family does not think
  bool template_switches_thinking = false;   // it reads enable_thinking, or Go's .Think
  std::array<CallForm, 3> calls{};
  uint32_t call_forms = 0;  // of `calls`
  CallWriting writing;
  // What the template can take of a conversation, see messages.h.
  bool one_call_per_message = false;
  bool arguments_as_text = false;  // it appends them to text
  uint32_t call_id_length = 0;     // 0: any

  bool thinks() const { return !think_close.empty(); }
};

// `family` is config.json's model_type ("qwen3"); either may be empty.
Dialect Choose(std::string_view template_text, std::string_view family);

// Marks that may be special tokens of the tokenizer, which give no text unless they are asked for:
// llama-server's "preserved_tokens".
std::vector<std::string_view> Marks(const Dialect& dialect);

// The prompt ends inside the model's thinking: its template wrote the opening mark.
bool EndsInThinking(const Dialect& dialect, std::string_view prompt);

// What must follow the prompt so that the model does not think, where its template has no switch
// for that: an empty thought. Empty: nothing.
std::string WithoutThinking(const Dialect& dialect, std::string_view prompt);

// What a template can do, by Ollama's rules (its server/images.go).
struct Capabilities {
  bool tools = false;
  bool thinking = false;
  bool insert = false;
};
Capabilities OfJinja(std::string_view template_text, std::string_view family);
Capabilities OfGo(std::string_view template_text, std::string_view family);

}  // namespace axollama::dialect
