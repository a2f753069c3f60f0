// The prompt of a turn: its messages through the model's template, made to fit the context.
//
// Owner and threads: a plain function on the handler's thread; it asks the runner of `grant`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/turn.h"
#include "base/result.h"
#include "server/models.h"
#include "server/served_model.h"

namespace axollama::server {

struct TurnPrompt {
  std::string text;             // as rendered, without the tokens of `context` before it
  std::vector<int32_t> tokens;  // what the model gets; may be more than fits, see below
  bool in_thinking = false;     // it ends inside the model's thinking
  int64_t dropped_messages = 0;
  int64_t cut_tokens = 0;
};

// How many tokens prompt and answer may have: the bundle's, or fewer where num_ctx asks for fewer.
int64_t ContextOf(const api::Options& options, const api::RunnerProps& props);

// `options`: the turn's, and the model's where the turn says nothing. With turn.truncate the oldest
// messages are dropped until the prompt fits; a plain prompt that is still too long is cut where
// turn.shift allows that. What does not fit after all of this is kTooLong.
Result<TurnPrompt> MakePrompt(const ServedModel& model, const api::Turn& turn,
                              const api::Options& options, const Models::Grant& grant,
                              CallSlot& slot);

// The whole prompt, whether or not it fits.
Result<TurnPrompt> WholePrompt(const ServedModel& model, const api::Turn& turn,
                               const Models::Grant& grant, CallSlot& slot);

}  // namespace axollama::server
