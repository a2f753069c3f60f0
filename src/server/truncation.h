// Which messages of a conversation that is longer than the context are left out, as Ollama does it:
// the oldest go, all system messages and the last message stay.
//
// Owner and threads: plain functions. Source: Ollama's server/prompt.go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "api/turn.h"
#include "base/result.h"

namespace axollama::server {

// The messages from `first` on, and before them the system messages that would be left out.
std::vector<api::Message> KeepFrom(const std::vector<api::Message>& messages, size_t first);

// The smallest `first` of a conversation of `count` messages with which it fits, else the last
// message's. `fits(first)` is asked about log2(count) times: fewer messages are never longer. Where
// it is kInvalid the template refuses a conversation that begins there, and the next one is tried,
// though not without end: then earlier ones are looked at, or more is left out than had to be. If
// the whole conversation is refused, that is the error. Any other error ends the search.
Result<size_t> FirstThatFits(size_t count, const std::function<Result<bool>(size_t first)>& fits);

// What is left of a prompt that does not fit a context of `context` tokens: the first `keep` tokens
// and the end, so that half of what is not kept is free for the answer.
std::vector<int32_t> CutPrompt(const std::vector<int32_t>& tokens, int64_t keep, int64_t context);

}  // namespace axollama::server
