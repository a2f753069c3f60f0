// The statistics at the end of an answer, which generate and chat write alike. Private to the room.
#pragma once

#include "api/generate.h"
#include "base/json.h"

namespace axollama::api {

// Appends the fields that are not zero, in Ollama's order.
void AddStatistics(const Statistics& statistics, json::Object* object);

}  // namespace axollama::api
