// What Ollama's POST /api/generate and POST /api/chat have in common: the request as a Turn, and
// the parts of their answers.
//
// Owner and threads: plain values. Units: durations in nanoseconds, times as wall-clock
// nanoseconds (base/clock.h). Source: facts 1.3 to 1.5 of the Ollama API.
#pragma once

#include <optional>

#include "api/turn.h"
#include "base/result.h"

namespace axollama::api {

struct NativeRequest {
  Turn turn;  // its model as the client spelled it
  bool stream = true;
  bool render_only = false;  // _debug_render_only: the prompt is the answer
  // What is wrong with it and, as in Ollama, said only when the model is known to exist.
  std::optional<Error> refused;

  // Asks for no answer: only to load the model, or to unload it.
  bool idle() const { return turn.plain ? turn.plain->prompt.empty() : turn.messages.empty(); }
  bool unload() const { return idle() && turn.keep_alive_ns == 0; }
};

}  // namespace axollama::api
