// What the routes of OpenAI's and Anthropic's APIs have in common.
//
// Owner and threads: plain functions on the handler's thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/server.h"

namespace axollama::server {

// PREFIX and 24 random characters of [0-9a-f].
std::string NewId(std::string_view prefix);

// Events of a stream, which begins with the first; empty: nothing yet. False when the client has
// gone.
bool SendEvents(net::Responder& responder, std::string_view events);

// Each API's own shape of an error, before a stream has begun and after.
void SendOpenAiError(net::Responder& responder, const Error& error);
void SendAnthropicError(net::Responder& responder, const Error& error);

bool IsCompatPath(std::string_view path);  // under /v1

// The body of an error that has no kind, only a status, in the shape of the path's API.
std::string RefusalBody(int status, std::string_view path, std::string_view message);

}  // namespace axollama::server
