// Runs a turn: whatever API asked, the model's answer comes as pieces and a finish.
//
// A route reads its body into an api::Turn, finds the model (FindServed), says what is wrong with
// the request, and calls RunTurn, which begins with CheckTurn. Errors come before the first piece,
// as a status, or after it, as the API's way to say that a stream broke off.
//
// Owner and threads: plain functions on the handler's thread; the sink is called there too.
#pragma once

#include <functional>
#include <string>

#include "api/turn.h"
#include "base/result.h"
#include "net/server.h"
#include "server/models.h"
#include "server/served_model.h"
#include "server/turn_prompt.h"
#include "server/turn_style.h"

namespace axollama::server {

enum class Delivery {
  kStream,  // pieces as they come; a failure after the first is final
  kWhole,   // one piece at the end, of an answer that is complete
};

// Gets the next piece, which is never empty but in kWhole; false when the client has gone.
using PieceSink = std::function<bool(const api::Piece& piece)>;

// Waits for the model's turn, loads it, runs the request (once more if its runner died before a
// piece was sent). Until the first piece nothing is written to `responder`, but its headers are
// set: X-Axollama-Context-Length, the bundle's; X-Axollama-Truncated-Messages and
// X-Axollama-Truncated-Tokens, what was left out of the prompt, if any was. kCancelled: the client
// has gone.
Result<api::Finish> RunTurn(Models& models, const ServedModel& model, const api::Turn& turn,
                            Delivery delivery, net::Responder& responder, const PieceSink& sink);

// The prompt that RunTurn would give to the model. Loads it, but does not wait for its turn.
Result<TurnPrompt> RenderTurn(Models& models, const ServedModel& model, const api::Turn& turn,
                              net::Responder& responder);

// How many tokens the prompt of a turn has, also one that does not fit. Loads the model, but does
// not wait for its turn.
Result<int64_t> CountTurn(Models& models, const ServedModel& model, const api::Turn& turn,
                          net::Responder& responder);

// Only loads the model.
Status LoadModel(Models& models, const ServedModel& model, std::optional<int64_t> keep_alive_ns,
                 net::Responder& responder);

}  // namespace axollama::server
