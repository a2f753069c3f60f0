// Ollama's kind of template (Go's text/template), rendered as Ollama 0.33 renders it: the subset
// that published Modelfiles use (rust/textkit/src/gotmpl/mod.rs says what is left out).
//
// A template that knows no .Messages is run once for each turn, and cut behind .Response in the
// last one. Bounds: 256 KiB of source, 64 levels, a million steps, 16 MiB of result.
// Owner: the caller. Threads: Render from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::text {

class GoTemplate {
 public:
  // kInvalid with the line that is wrong.
  static Result<std::unique_ptr<GoTemplate>> Compile(std::string_view source);
  virtual ~GoTemplate() = default;

  // `context_json` is an object: messages and tools as transformers has them, or prompt and suffix
  // (both not empty: the template inserts between them); think, think_level, is_think_set. An
  // error of the template is kInvalid.
  virtual Result<std::string> Render(std::string_view context_json) const = 0;

 protected:
  GoTemplate() = default;
};

}  // namespace axollama::text
