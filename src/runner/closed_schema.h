// JSON schemas as llama.cpp reads them: an object whose properties are named has no others, unless
// it says so itself. JSON Schema allows others; a small model would invent them without end, and
// the clients that make schemas from classes (pydantic, zod) count on llama.cpp's way.
//
// A schema stays as it is where closing an object could leave it without any value: it combines
// schemas of one object (allOf, or anyOf, oneOf, $ref beside members of their own).
//
// Source: facts 1.4 of the Ollama API; llama.cpp common/json-schema-to-grammar.cpp.
// Owner and threads: plain functions and values. The depth is bounded by json::Parse.
#pragma once

#include "base/json.h"

namespace axollama::runner {

json::Object ClosedSchema(json::Object schema);

}  // namespace axollama::runner
