#include "server/runner_process.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"
#include "base/clock.h"
#include "base/log.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

// What the runner's exit codes say of a load that failed.
constexpr int kExitUsersProblem = 3;
constexpr int kExitDeviceTrouble = 4;

constexpr milliseconds kKillLimit{10'000};

}  // namespace

RunnerProcess::RunnerProcess(Options options, RuntimeFolder* runtime,
                             RuntimeFolder::RunnerFiles files, Progress progress)
    : options_(std::move(options)),
      runtime_(runtime),
      files_(std::move(files)),
      progress_(std::move(progress)) {}

RunnerProcess::~RunnerProcess() {
  child_.reset();
  runtime_->Forget(files_);
}

Result<std::shared_ptr<RunnerProcess>> RunnerProcess::Start(Options options, RuntimeFolder* runtime,
                                                            std::function<void()> on_exit) {
  RuntimeFolder::RunnerFiles files = runtime->NewRunner();
  AX_ASSIGN_OR_RETURN(Progress progress, Progress::Create(files.progress));
  AX_ASSIGN_OR_RETURN(Pipe life, Pipe::Make());
  ChildOptions child;
  child.program = options.program;
  child.arguments = {
      "axollama",      "runner", "--model",    options.folder, "--socket",
      files.socket,    "--name", options.name, "--progress",   files.progress.string(),
      "--lifeline-fd", "3"};
  if (!options.device.empty()) {
    child.arguments.insert(child.arguments.end(), {"--device", options.device});
  }
  if (options.device_id) {
    child.arguments.insert(child.arguments.end(),
                           {"--device-id", std::to_string(*options.device_id)});
  }
  child.descriptors = {life.read.get()};
  std::shared_ptr<RunnerProcess> self(
      new RunnerProcess(std::move(options), runtime, std::move(files), std::move(progress)));
  AX_ASSIGN_OR_RETURN(self->child_, Child::Start(std::move(child), std::move(on_exit)));
  self->lifeline_ = std::move(life.write);
  runtime->NotePid(self->files_, self->child_->pid());
  log::Info("server", "{}: runner {} started", self->options_.name, self->child_->pid());
  return self;
}

Status RunnerProcess::WaitReady(const std::function<bool()>& abandon) {
  const int64_t start_ns = MonotonicNs();
  int64_t moved_ns = start_ns;
  uint32_t loaded = 0;
  milliseconds pause{5};
  for (;;) {
    if (const uint32_t now = page().layers_loaded.load(); now != loaded) {
      loaded = now;
      moved_ns = MonotonicNs();
    }
    if (child_->exited()) return Fail(LoadError());
    if (abandon && abandon()) {
      return Fail(ErrorKind::kCancelled, "the load was abandoned");
    }
    if (MonotonicNs() - moved_ns >= std::chrono::nanoseconds(options_.load_limit).count()) {
      return Fail(ErrorKind::kDevice,
                  fmt::format("timed out waiting for {} to load: {} of {} files, and no other one "
                              "for {} s",
                              options_.name, loaded, page().layers_total.load(),
                              options_.load_limit.count() / 1000));
    }
    net::ClientRequest request;
    request.path = "/health";
    request.connect_timeout = milliseconds(1'000);
    request.read_timeout = milliseconds(2'000);
    const auto answer = net::Call(target(), std::move(request));
    if (answer && answer->status == 200) break;
    child_->WaitFor(pause);
    pause = std::min(pause * 2, milliseconds(50));
  }
  AX_ASSIGN_OR_RETURN(const std::string body,
                      AskRunner(target(), "GET", "/props", "", milliseconds(10'000)));
  AX_ASSIGN_OR_RETURN(props_, api::ParseProps(body));
  log::Info("server", "{}: loaded in {:.1f} s on {} card {}, {} MiB, context {}", options_.name,
            static_cast<double>(MonotonicNs() - start_ns) / 1e9, props_.backend, props_.card_id,
            props_.cmm_bytes >> 20, props_.context_tokens);
  return {};
}

Error RunnerProcess::LoadError() const {
  const std::string words = child_->last_error();
  const int code = child_->exit_code();
  if (code == kExitUsersProblem) {
    // One code for a bad bundle and a full card; the sentence tells them apart, since the runner
    // names the card's memory by its name.
    const bool memory = words.find("CMM") != std::string::npos;
    return {memory ? ErrorKind::kNoMemory : ErrorKind::kInvalid,
            words.empty() ? "the model cannot be loaded" : words};
  }
  if (code == kExitDeviceTrouble) {
    return {ErrorKind::kDevice, words.empty() ? "the device failed during the load" : words};
  }
  return {ErrorKind::kDevice,
          fmt::format("the runner of {} ended while loading: {}", options_.name, EndText())};
}

bool RunnerProcess::EndedInOrder() const {
  return child_->exit_code() == 0 || child_->exit_code() == kExitUsersProblem;
}

std::string RunnerProcess::EndText() const {
  const std::string words = child_->last_error();
  return words.empty() ? child_->EndText() : fmt::format("{}: {}", child_->EndText(), words);
}

RunnerProcess::Ending RunnerProcess::Stop(milliseconds grace) {
  if (child_->gone()) {
    child_->WaitFor(kKillLimit);
    return Ending::kByItself;
  }
  child_->Signal(SIGTERM);
  if (child_->WaitFor(grace)) return Ending::kTerminated;
  log::Warn("server", "{}: runner {} did not end on SIGTERM within {} ms: killing it",
            options_.name, child_->pid(), grace.count());
  child_->Signal(SIGKILL);
  if (child_->WaitFor(kKillLimit)) return Ending::kKilled;
  log::Error("server", "{}: runner {} cannot be killed", options_.name, child_->pid());
  return Ending::kCannotBeKilled;
}

Result<std::string> AskRunner(const net::Target& target, std::string method, std::string path,
                              std::string body, milliseconds limit, CallSlot* slot) {
  net::ClientRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.body = std::move(body);
  request.read_timeout = limit;
  if (!request.body.empty()) request.headers.Set("Content-Type", "application/json");
  AX_ASSIGN_OR_RETURN(const auto call, net::ClientCall::Start(target, std::move(request)));
  if (slot != nullptr) slot->Set(call.get());
  const Status header = call->ReadHeader();
  Result<std::string> answer = header ? call->ReadAll() : Fail(header.error());
  if (slot != nullptr) slot->Set(nullptr);
  if (answer && call->status() != 200) {
    return Fail(api::ParseRunnerError(call->status(), *answer));
  }
  return answer;
}

}  // namespace axollama::server
