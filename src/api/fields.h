// Fields of a request that several routes read alike. Private to the room.
//
// Errors: kInvalid, with Ollama's sentence or the field's name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/native.h"
#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

// An empty body, or one of white space: `missing request body`.
Result<json::Object> ParseBody(std::string_view body);

// Whether a field that must be an array of base64 texts holds any.
Result<bool> HasImages(const json::Object& object, std::string_view field);

// true, false or a level.
Result<Think> ParseThink(const json::Object& request);

// "json" or a schema; absent, null and "" are none.
Result<Format> ParseFormat(const json::Object& request);

// model, stream, keep_alive, options, format, think, logprobs, truncate, shift and
// _debug_render_only. Options of a wrong type and a bad format go into `refused`.
Status ReadCommon(const json::Object& object, NativeRequest* request);

}  // namespace axollama::api
