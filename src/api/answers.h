// The parts that the answers of generate and chat share. Private to the room.
#pragma once

#include <vector>

#include "api/turn.h"
#include "base/json.h"
#include "base/json_writer.h"

namespace axollama::api {

// [{"id","function":{"index","name","arguments":{...}}}]
json::Array WriteToolCalls(const std::vector<ToolCall>& calls);

// Appends total_duration ... eval_duration, those that are not zero, in Ollama's order.
void AddStatistics(const Finish& finish, json::ObjectWriter* object);

// Appends "logprobs" unless there are none.
void AddLogprobs(const std::vector<TokenLogprob>& logprobs, json::ObjectWriter* object);

}  // namespace axollama::api
