// One `axollama runner` child: start, readiness, progress, end.
//
// Owner: Models, through a shared_ptr that running requests also hold. Threads: any; Start,
// WaitReady and Stop are each called once.
#pragma once

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/runner.h"
#include "base/progress.h"
#include "base/result.h"
#include "net/client.h"
#include "server/call_slot.h"
#include "server/child.h"
#include "server/runtime_folder.h"

namespace axollama::server {

class RunnerProcess {
 public:
  struct Options {
    std::string program = "/proc/self/exe";
    std::string name;    // "smollm2:135m"
    std::string folder;  // the bundle
    std::string device;  // "": as the bundle says
    std::optional<int64_t> device_id;
    std::chrono::milliseconds load_limit{300'000};
  };
  // How far down the ladder it took to end it.
  enum class Ending { kByItself, kTerminated, kKilled, kCannotBeKilled };

  static Result<std::shared_ptr<RunnerProcess>> Start(Options options, RuntimeFolder* runtime,
                                                      std::function<void()> on_exit);
  ~RunnerProcess();

  // Waits until the model is loaded. A load is not signalled before its deadline (a signal during
  // a load wedges the real card) unless `abandon`, asked all the while, says so: kCancelled.
  // kNoMemory: it does not fit. kInvalid: the bundle. kDevice: the device, or the runner crashed.
  Status WaitReady(const std::function<bool()>& abandon);

  const api::RunnerProps& props() const { return props_; }  // once ready
  net::Target target() const { return {"unix:" + files_.socket}; }
  pid_t pid() const { return child_->pid(); }
  bool gone() const { return child_->gone(); }
  // Whether it ended by itself or on SIGTERM and gave the card's memory back.
  bool EndedInOrder() const;
  std::string EndText() const;  // "signal 9 (Killed)", with its last error line
  const ProgressPage& page() const { return progress_.page(); }

  void AskToEnd() { child_->Signal(SIGTERM); }  // returns at once
  // TERM, after `grace` KILL. Returns when the process is gone, or cannot be killed.
  Ending Stop(std::chrono::milliseconds grace);

 private:
  RunnerProcess(Options options, RuntimeFolder* runtime, RuntimeFolder::RunnerFiles files,
                Progress progress);
  Error LoadError() const;

  const Options options_;
  RuntimeFolder* const runtime_;
  const RuntimeFolder::RunnerFiles files_;
  Progress progress_;
  Fd lifeline_;
  std::unique_ptr<Child> child_;
  api::RunnerProps props_;
};

// A call to a runner's route that answers at once. A runner that has gone is kUnavailable or kIo.
// `slot`, if any, can end it.
Result<std::string> AskRunner(const net::Target& target, std::string method, std::string path,
                              std::string body, std::chrono::milliseconds limit,
                              CallSlot* slot = nullptr);

}  // namespace axollama::server
