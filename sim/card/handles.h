// Opaque handles for programs: numbers that look like pointers and are checked on every use, so
// that a stale or invented one is an error code and not a crash.
//
// Owner: the table shares ownership of what it hands out. Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace axsim::card {

template <typename T>
class Handles {
 public:
  // `tag` keeps the kinds of handles apart.
  explicit Handles(uint64_t tag) : next_(tag << 40) {}

  void* Add(std::shared_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    next_ += 16;
    objects_.emplace(next_, std::move(object));
    return reinterpret_cast<void*>(static_cast<uintptr_t>(next_));
  }
  // nullptr: no such handle.
  std::shared_ptr<T> Find(const void* handle) const {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
  std::shared_ptr<T> Remove(const void* handle) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    if (found == objects_.end()) return nullptr;
    auto object = std::move(found->second);
    objects_.erase(found);
    return object;
  }

  std::vector<std::shared_ptr<T>> All() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<T>> all;
    for (const auto& entry : objects_) all.push_back(entry.second);
    return all;
  }
  template <typename Predicate>
  void RemoveIf(const Predicate& matches) {
    const std::lock_guard lock(mutex_);
    std::erase_if(objects_, [&matches](const auto& entry) { return matches(*entry.second); });
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<T>> objects_;
  uint64_t next_;
};

}  // namespace axsim::card
