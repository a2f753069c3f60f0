// Server-sent events: one event is one write, and ends with an empty line.
//
// Threads: plain functions. Source: the HTML standard, section 9.2; facts 1.9 to 1.11.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace axollama::api {

inline constexpr std::string_view kEventStream = "text/event-stream";

// data: {...}
inline std::string SseData(const json::Object& object) {
  return "data: " + json::Write(object) + "\n\n";
}

// event: NAME, and the object
inline std::string SseEvent(std::string_view name, const json::Object& object) {
  return "event: " + std::string(name) + "\n" + SseData(object);
}

}  // namespace axollama::api
