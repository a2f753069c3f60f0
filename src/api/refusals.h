// What generate and chat have in common in their requests: the body as an object, and the fields
// that are not supported yet. Private to the room.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

// An empty body, or one of white space: `missing request body`.
Result<json::Object> ParseBody(std::string_view body);

// Refuses format, images, logprobs and think where they ask for anything; checks the types of
// these and of the fields that are accepted without effect. `model` is named in Ollama's words.
Status RefuseUnsupported(const json::Object& request, std::string_view model);

// A field that must be an array of base64 text: refused when it holds any.
Status RefuseImages(const json::Object& object, std::string_view field, std::string_view model);

}  // namespace axollama::api
