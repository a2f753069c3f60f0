// One answer of a model, from the queue to the last token.
//
// A request that has not sent a byte is run again once when its runner died, got stuck or reported
// that the device failed; afterwards, and once a stream has begun, the failure is the answer.
// Owner and threads: a plain function on the handler's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/generate.h"
#include "api/options.h"
#include "base/result.h"
#include "bundle/roots.h"
#include "net/server.h"
#include "server/models.h"

namespace axollama::server {

struct AnswerRequest {
  bundle::ModelRef model;
  std::optional<int64_t> keep_alive_ns;
  api::Options options;
  // The prompt's tokens, with the help of the runner that will answer. Called once per attempt.
  std::function<Result<std::vector<int32_t>>(const Models::Grant&)> prompt;
  // Gets the text as it comes; false when the client has gone. Absent: only the whole is wanted.
  std::function<bool(std::string_view text)> on_text;
  int64_t start_ns = 0;  // MonotonicNs() of the request's arrival
};

struct Answer {
  std::string text;
  std::string done_reason;  // stop or length
  std::vector<int32_t> prompt_tokens, tokens;
  api::Statistics statistics;
};

// kCancelled: the client has gone. Sets the header X-Axollama-Context-Length on `responder`.
Result<Answer> Run(Models& models, const AnswerRequest& request, net::Responder& responder);

// Only the load; the client's leaving ends the wait. Returns the grant's waiting time.
Result<int64_t> LoadOnly(Models& models, const bundle::ModelRef& model,
                         std::optional<int64_t> keep_alive_ns, net::Responder& responder);

// Calls of the runner that need no turn on the device.
Result<std::vector<int32_t>> Tokenize(const Models::Grant& grant, std::string_view text,
                                      bool add_special);
Result<std::string> ApplyTemplate(const Models::Grant& grant,
                                  const std::vector<api::Message>& messages);

}  // namespace axollama::server
