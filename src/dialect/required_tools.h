// The grammar of an answer that must call tools, or must either call them or be JSON of a form: its
// calls cannot be malformed.
//
// Lark text for llguidance, in the family's own syntax, with each tool's parameters as its schema.
// Where a tool lists its properties, only those may be given. On a model that thinks the grammar
// begins after the thinking.
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dialect/dialect.h"
#include "dialect/tools.h"

namespace axollama::dialect {

// A mark that the model's tokenizer has as one token: it is called by its id, since a special token
// is no text.
struct MarkToken {
  std::string_view text;
  int32_t id = 0;
};

struct RequiredTools {
  std::string_view only;  // the one tool that must be called; empty: any
  bool parallel = true;   // false: exactly one call
  std::string or_json;  // a schema whose value may stand instead of calls; empty: calls it must be
};

// kInvalid: no tools, no tool called `only`, or a name that cannot be written in this dialect. What
// is wrong in a schema the runner says.
Result<std::string> RequiredToolsGrammar(const Dialect& dialect, const std::vector<Tool>& tools,
                                         const RequiredTools& required,
                                         std::span<const MarkToken> marks);

}  // namespace axollama::dialect
