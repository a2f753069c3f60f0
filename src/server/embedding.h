// One request for embeddings, from the queue to the last vector, whatever API asked for it.
//
// Owner and threads: plain functions on the handler's thread.
#pragma once

#include "api/embed.h"
#include "base/result.h"
#include "net/server.h"
#include "server/models.h"
#include "server/served_model.h"

namespace axollama::server {

// Computes the inputs one after the other, while the model is this request's; with none, the model
// is loaded only. kInvalid of a model that makes no embeddings, and of more inputs than one answer
// may have; kTooLong in Ollama's words; kCancelled: the client has gone. What was cut off is said
// in the header X-Axollama-Truncated-Tokens.
Result<api::Embedded> RunEmbedding(Models& models, const ServedModel& model,
                                   const api::EmbedRequest& request, net::Responder& responder);

// What of a tokenised text is computed when it has more than `limit` tokens: as many as fit of its
// own, with those that the tokenizer puts before and behind. `whole`: all of them; `own`: the
// text's. kTooLong where nothing of the text would be left.
Result<std::vector<int32_t>> CutInput(const std::vector<int32_t>& whole,
                                      const std::vector<int32_t>& own, size_t limit);

}  // namespace axollama::server
