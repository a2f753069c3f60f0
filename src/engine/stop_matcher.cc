#include "engine/stop_matcher.h"

#include <algorithm>

namespace axollama::engine {

void StopMatcher::Start(const std::vector<std::string>& stops) {
  stops_.clear();
  text_.clear();
  shown_ = 0;
  match_.reset();
  for (uint32_t index = 0; index < stops.size(); ++index) {
    if (stops[index].empty()) continue;
    Stop stop{stops[index], std::vector<uint32_t>(stops[index].size()), index, 0};
    uint32_t length = 0;  // of the longest border of text[0, i]
    for (size_t i = 1; i < stop.text.size(); ++i) {
      while (length > 0 && stop.text[i] != stop.text[length]) length = stop.fallback[length - 1];
      if (stop.text[i] == stop.text[length]) ++length;
      stop.fallback[i] = length;
    }
    stops_.push_back(std::move(stop));
  }
}

std::string_view StopMatcher::Feed(std::string_view bytes) {
  text_.erase(0, shown_);
  shown_ = 0;
  for (const char byte : bytes) {
    text_.push_back(byte);
    const Stop* found = nullptr;
    for (Stop& stop : stops_) {
      while (stop.matched > 0 && stop.text[stop.matched] != byte) {
        stop.matched = stop.fallback[stop.matched - 1];
      }
      if (stop.text[stop.matched] == byte) ++stop.matched;
      if (stop.matched < stop.text.size()) continue;
      if (found == nullptr || stop.text.size() > found->text.size()) found = &stop;
    }
    if (found != nullptr) {
      match_ = found->index;
      text_.resize(text_.size() - found->text.size());
      shown_ = text_.size();
      return text_;
    }
  }
  size_t held = 0;
  for (const Stop& stop : stops_) held = std::max<size_t>(held, stop.matched);
  shown_ = text_.size() - held;
  return std::string_view(text_).substr(0, shown_);
}

std::string_view StopMatcher::Flush() {
  text_.erase(0, shown_);
  shown_ = text_.size();
  return text_;
}

}  // namespace axollama::engine
