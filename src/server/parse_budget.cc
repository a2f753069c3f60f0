#include "server/parse_budget.h"

#include <algorithm>
#include <memory>

namespace axollama::server {
namespace {

// A value, its key's place in an object, and a small allocation for either.
constexpr size_t kBytesPerPart = 64;

}  // namespace

size_t ParseBudget::Cost(std::string_view body) {
  const auto parts = std::count_if(body.begin(), body.end(), [](char c) {
    return c == ',' || c == ':' || c == '[' || c == '{';
  });
  return body.size() + kBytesPerPart * static_cast<size_t>(parts);
}

Status ParseBudget::With(std::string_view body, const std::function<void()>& use) {
  const size_t bytes = Cost(body);
  {
    std::lock_guard lock(mutex_);
    if (bytes > total_bytes_ - used_bytes_) {
      return Fail(ErrorKind::kBusy,
                  "server busy, please try again.  too much is being sent at once");
    }
    used_bytes_ += bytes;
  }
  // Also when `use` throws.
  auto release = [this](const size_t* used) {
    std::lock_guard lock(mutex_);
    used_bytes_ -= *used;
  };
  const std::unique_ptr<const size_t, decltype(release)> held(&bytes, std::move(release));
  use();
  return {};
}

}  // namespace axollama::server
