// The messages that a model's template gets for a turn.
//
// Owner and threads: plain functions. Source: Ollama's server/routes.go.
#pragma once

#include <string>
#include <vector>

#include "api/turn.h"
#include "server/served_model.h"

namespace axollama::server {

// The model's system text goes first unless the turn has its own, then come the model's messages
// (not where a prompt goes on with the tokens of a turn before), then the turn's. Thinking is taken
// out of older answers of the families whose Ollama templates want that.
std::vector<api::Message> Conversation(const ServedModel& model, const api::Turn& turn);

// `content` without the <think>...</think> at its begin, if it has one.
std::string WithoutThought(const std::string& content);

}  // namespace axollama::server
