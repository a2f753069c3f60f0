// Threads for handlers: made when a task finds no idle one, gone after a while without work.
// Private to the room.
//
// Owner: the server; must outlive its tasks (call Drain). Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace axollama::net {

class Pool {
 public:
  explicit Pool(uint32_t max_threads);
  ~Pool();  // Drain

  // False when max_threads tasks are running already, or no thread could be made.
  bool Run(std::function<void()> task);

  // Waits until no task runs; false when `limit` passed first.
  bool WaitIdle(std::chrono::milliseconds limit);
  // No more tasks; waits for the running ones and for the threads to end.
  void Drain();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace axollama::net
