// A conversation as a family's chat template can take it.
//
// In and out are messages as transformers' apply_chat_template has them: role, content,
// reasoning_content, name, tool_call_id, tool_calls [{"id","type":"function","function":{"name",
// "arguments":{...}}}].
// Threads: plain functions.
#pragma once

#include "base/json.h"
#include "dialect/dialect.h"

namespace axollama::dialect {

// Calls get ids where they have none, tools' answers the id and name of the call that they answer:
// by its id, else in order. An empty "tool_calls" is dropped. What else the template needs, the
// dialect says: ids of a length, arguments as text, one call in a message (the others, and their
// answers, follow in messages of their own).
json::Array ForTemplate(const Dialect& dialect, const json::Array& messages);

}  // namespace axollama::dialect
