// One completion of a runner, from the queue to the last token.
//
// A request that has not sent a byte is run again once when its runner died, got stuck or reported
// that the device failed; afterwards, and once a stream has begun, the failure is the answer.
// Owner and threads: plain functions on the handler's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/completion.h"
#include "base/result.h"
#include "bundle/roots.h"
#include "net/server.h"
#include "server/models.h"

namespace axollama::server {

// What a runner is asked, and what becomes of its words.
class Answering {
 public:
  enum class Taken { kKept, kSent, kGone };  // nothing was sent; something was; the client has gone

  virtual ~Answering() = default;
  // The request, made with the help of the runner that will answer it. The beginning of an attempt:
  // what an earlier one brought is forgotten.
  virtual Result<api::CompletionRequest> Prepare(const Models::Grant& grant, CallSlot& slot) = 0;
  // Each event, the last one included.
  virtual Taken Take(const api::CompletionEvent& event) = 0;
};

// Gives the time that the request waited for its turn and the load, in nanoseconds. kCancelled: the
// client has gone. Sets the header X-Axollama-Context-Length on `responder`.
Result<int64_t> RunCompletion(Models& models, const bundle::ModelRef& model,
                              std::optional<int64_t> keep_alive_ns, net::Responder& responder,
                              Answering& answering);

// Only the load, and then `use` unless it is null, with a grant that has no sequence. The client's
// leaving ends the wait, and what `use` asks the runner by way of `slot`.
Status WithLoaded(Models& models, const bundle::ModelRef& model,
                  std::optional<int64_t> keep_alive_ns, net::Responder& responder,
                  const std::function<Status(const Models::Grant& grant, CallSlot& slot)>& use);

// The same with a sequence, and run again once where RunCompletion would do that. Gives the time
// that the request waited for its turn and the load, in nanoseconds.
Result<int64_t> WithSequence(
    Models& models, const bundle::ModelRef& model, std::optional<int64_t> keep_alive_ns,
    net::Responder& responder,
    const std::function<Status(const Models::Grant& grant, CallSlot& slot)>& work);

// Tokens of this many bytes each are in no vocabulary, and making millions of tokens takes
// gigabytes.
inline constexpr uint64_t kMaxTokenBytes = 512;

// Calls of the runner that need no turn on the device. A text of more bytes than the context's
// tokens can have is kTooLong.
Result<std::vector<int32_t>> Tokenize(const Models::Grant& grant, CallSlot& slot,
                                      std::string_view text, bool add_special);
Result<std::string> ApplyTemplate(const Models::Grant& grant, CallSlot& slot, std::string body);

}  // namespace axollama::server
