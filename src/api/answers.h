// The parts that the answers of generate and chat share. Private to the room.
#pragma once

#include <vector>

#include "api/turn.h"
#include "base/json.h"

namespace axollama::api {

// [{"id","function":{"index","name","arguments":{...}}}]
json::Array WriteToolCalls(const std::vector<ToolCall>& calls);

// Appends total_duration ... eval_duration, those that are not zero, in Ollama's order.
void AddStatistics(const Finish& finish, json::Object* object);

// Appends "logprobs" unless there are none.
void AddLogprobs(const std::vector<TokenLogprob>& logprobs, json::Object* object);

}  // namespace axollama::api
