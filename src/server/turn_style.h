// How the model of a turn writes what the turn asks for: its dialect, and what of it is in use.
//
// Owner and threads: plain values and functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/turn.h"
#include "base/result.h"
#include "dialect/dialect.h"
#include "server/served_model.h"

namespace axollama::server {

struct TurnStyle {
  dialect::Dialect dialect;
  dialect::Capabilities can;
  std::optional<std::string> go_template;  // what takes the place of the bundle's Jinja template
  bool written_out = false;  // no template: the prompt is the text as it is, and so is the answer
  bool inserts = false;      // between the prompt and its suffix
  bool inserts_by_marks = false;  // the tokenizer's; else by the template
  bool thinks = false;            // the model thinks first, and that is told apart from its answer
  bool calls = false;             // it may call tools
  bool must_call = false;
};

// The answer must have a form: JSON, a schema, or tool calls.
bool Constrained(const api::Turn& turn, const TurnStyle& style);

TurnStyle StyleOf(const ServedModel& model, const api::Turn& turn);

// What the model cannot do: tools, thinking, images ..., in Ollama's words. kInvalid.
Status CheckTurn(const ServedModel& model, const api::Turn& turn);

}  // namespace axollama::server
