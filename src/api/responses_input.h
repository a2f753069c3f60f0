// The input items of a Responses request as messages. Private to the room.
//
// Source: facts 1.10 of the Ollama API.
#pragma once

#include <vector>

#include "api/reader.h"
#include "api/turn.h"
#include "base/result.h"

namespace axollama::api {

// `input`: a text, or items. Appends to `messages`. Calls that follow each other, or the
// assistant's words, are one message; reasoning belongs to the message after it.
Status ReadResponsesInput(const Reader& request, std::vector<Message>* messages);

}  // namespace axollama::api
