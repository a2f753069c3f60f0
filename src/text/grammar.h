// Grammars that an answer must follow: the face of the `llguidance` crate (rust/textkit).
//
// Kinds: Lark in llguidance's variant (its docs/syntax.md; `%json {...}` embeds a schema), GBNF as
// llama.cpp's grammars/README.md has it (rust/textkit/src/gbnf.rs says where they differ), a JSON
// schema, and a regular expression of the whole answer. A schema with a keyword that cannot be
// followed is refused (docs/constrained.md lists them), never followed in part.
// A special token is no text; Lark and GBNF call it by its name: <think>, and <TOOL_CALLS> for
// [TOOL_CALLS].
// Owner: the caller; a Grammar outlives its Grammars, and both outlive the tokenizer.
// Threads: Grammars from any; a Grammar is used by one at a time.
// Errors: kInvalid in one line, with line and column where the text has them.
// Limits: 1 MiB of text, and llguidance's own on nesting, size, states and work per step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::text {

enum class GrammarKind { kLark, kGbnf, kJsonSchema, kRegex };

// Where one answer stands in its grammar.
class Grammar {
 public:
  virtual ~Grammar() = default;

  // Bit i % 32 of words[i / 32]: token i may come next. The tokens that end an answer are allowed
  // where it may end, and alone when nothing else can follow.
  virtual Status Mask(std::span<uint32_t> words) = 0;
  // The token came next. One that the mask does not allow is an error.
  virtual Status Accept(int32_t token) = 0;
  // Overwrites `tokens` with those that must come next, as the tokenizer would write them; they
  // are not accepted yet. Often none.
  virtual Status Forced(std::vector<int32_t>* tokens) = 0;
  // Nothing but the end can follow.
  virtual bool complete() const = 0;

 protected:
  Grammar() = default;
};

// Compiles grammars for one model.
class Grammars {
 public:
  virtual ~Grammars() = default;
  virtual Result<std::unique_ptr<Grammar>> Compile(GrammarKind kind,
                                                   std::string_view text) const = 0;

 protected:
  Grammars() = default;
};

}  // namespace axollama::text
