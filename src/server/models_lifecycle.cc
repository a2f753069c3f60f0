// Loads, ends and recovery. Whoever works on a card holds it (Hold, LetGo): one load, one end with
// its check of the card's memory, or one reboot at a time.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "server/models_state.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTermGrace{5'000};
// Deaths within this time after which a model is loaded again only when somebody asks for it.
constexpr int64_t kDeathWindowNs = 300'000'000'000;
constexpr size_t kDeathsBeforePatience = 3;

constexpr std::string_view kLostMemory = "the memory of a runner that ended did not come back";

RunnerEnd HowEnded(const RunnerProcess& process, RunnerProcess::Ending ending) {
  if (ending == RunnerProcess::Ending::kCannotBeKilled) return RunnerEnd::kUnkillable;
  return process.EndedInOrder() ? RunnerEnd::kInOrder : RunnerEnd::kBroken;
}

}  // namespace

std::string Models::DefaultDevice() const {
  return options_.device.empty() ? last_device_ : options_.device;
}

Models::CardSlot& Models::CardFor(const std::string& device) {
  std::unique_ptr<CardSlot>& slot = cards_[device];
  if (!slot) {
    Card::Options card;
    card.program = options_.program;
    // Unless one is forced, a model for the NPU runs on a card or on the SoC itself, as the warden
    // and the runners find out.
    card.device = options_.device.empty() && device != "sim" ? "" : device;
    card.device_id = options_.device_id;
    card.policy = options_.reboot;
    card.runtime = runtime_;
    slot = std::make_unique<CardSlot>(std::move(card));
  }
  return *slot;
}

void Models::Hold(Lock& lock, CardSlot& card) {
  changed_.wait(lock, [&] { return !card.held; });
  card.held = true;
}

void Models::LetGo(CardSlot& card) {
  card.held = false;
  changed_.notify_all();
}

bool Models::Answering(const CardSlot& card, const Instance* but) const {
  return std::any_of(instances_.begin(), instances_.end(), [&](const auto& entry) {
    const Instance& instance = *entry.second;
    return &instance != but && instance.card == &card && instance.busy != nullptr &&
           instance.state == Instance::State::kReady;
  });
}

// --- Loads ---------------------------------------------------------------------------------------

Status Models::Load(Lock& lock, const bundle::ModelRef& model) {
  const auto instance = std::make_shared<Instance>();
  instance->model = model;
  instance->keep_alive = KeepAlive(options_.keep_alive_ns);
  instances_[instance->key()] = instance;
  lock.unlock();
  Result<bundle::Bundle> bundle = bundle::Open(model.folder);
  lock.lock();
  Status status;
  if (!bundle) {
    status = Fail(bundle.error());
  } else {
    for (const std::string& note : bundle->notes) log::Debug("server", "{}: {}", model.name, note);
    instance->bundle = std::make_shared<const bundle::Bundle>(std::move(*bundle));
    const std::string device =
        !options_.device.empty() ? options_.device : (instance->bundle->simulator ? "sim" : "axcl");
    last_device_ = device;
    instance->card = &CardFor(device);
    Hold(lock, *instance->card);
    status = LoadWithRecovery(lock, instance);
    LetGo(*instance->card);
  }
  if (status) {
    instance->state = Instance::State::kReady;
    // It counts as just used, so that it does not go before anybody had a chance.
    instance->keep_alive.Begin(std::nullopt);
    instance->keep_alive.End(MonotonicNs());
    if (instance->process->gone()) BeginEnd(instance, false);
  } else {
    log::Warn("server", "{}: cannot load: {}", model.name, status.error().message);
    instances_.erase(instance->key());
  }
  changed_.notify_all();
  work_changed_.notify_all();
  return status;
}

// The card is held. A load that fails for want of memory makes room; one that fails on the device
// is tried again, then once more after a reboot of the card.
Status Models::LoadWithRecovery(Lock& lock, const std::shared_ptr<Instance>& instance) {
  CardSlot& card = *instance->card;
  bool tried_again = false;
  for (;;) {
    if (card.card.state() == CardState::kQuarantined) {
      return Fail(
          ErrorKind::kUnavailable,
          fmt::format("the card is quarantined: {}. POST /reset tries again", card.card.reason()));
    }
    lock.unlock();
    const Result<CardAction> greeted = card.card.Greet();
    lock.lock();
    // A card that does not answer makes the load fail, which then decides what is to be done.
    AX_RETURN_IF_ERROR(Apply(lock, card, greeted.value_or(CardAction::kNothing),
                             "a server that died left its models on it"));
    Status status = LoadOnce(lock, instance);
    if (status || stopping_) return status;
    if (status.error().kind == ErrorKind::kNoMemory) {
      if (card.reboot_due && !Answering(card, nullptr)) {
        AX_RETURN_IF_ERROR(
            RebootHeld(lock, card, "the next model does not fit beside lost memory"));
      } else if (!MakeRoom(lock, card)) {
        return status;
      }
      continue;
    }
    if (status.error().kind != ErrorKind::kDevice && status.error().kind != ErrorKind::kTimeout) {
      return status;
    }
    ++card.device_failures;
    if (!tried_again) {
      tried_again = true;
      log::Warn("server", "{}: load failed ({}): trying again", instance->model.name,
                status.error().message);
      continue;
    }
    if (!rebooted_for_.insert(instance->key()).second) {
      // A model that has answered is not what is broken, unless its files were changed: the next
      // time nothing is known of it.
      if (answered_.erase(instance->key()) != 0) card.card.RebootDidNotHelp(status.error());
      return status;
    }
    const CardAction action = card.card.Broken(Answering(card, nullptr));
    if (action == CardAction::kRebootLater) card.reboot_due = true;
    if (action != CardAction::kReboot) return status;
    AX_RETURN_IF_ERROR(RebootHeld(lock, card, status.error().message));
  }
}

Status Models::LoadOnce(Lock& lock, const std::shared_ptr<Instance>& instance) {
  CardSlot& card = *instance->card;
  const uint64_t id = next_id_++;
  instance->id = id;
  card.loading = true;
  lock.unlock();
  RunnerProcess::Options options;
  options.program = options_.program;
  options.name = instance->model.name;
  options.folder = instance->model.folder.string();
  options.device = options_.device;
  options.load_limit = options_.load_limit;
  std::shared_ptr<RunnerProcess> process;
  Status status = card.card.BeginLoad(id);
  CardAction action = CardAction::kNothing;
  if (status) {
    options.device_id = card.card.card_id();
    auto started =
        RunnerProcess::Start(std::move(options), runtime_, [this, id] { OnRunnerExit(id); });
    if (started) {
      process = std::move(*started);
      status = process->WaitReady([this] { return stopping_.load(); });
    } else {
      status = Fail(started.error());
    }
    if (status) {
      card.card.EndLoad(id);
    } else {
      RunnerEnd how = RunnerEnd::kInOrder;
      if (process) how = HowEnded(*process, process->Stop(kTermGrace));
      lock.lock();
      const bool others = Answering(card, nullptr);
      lock.unlock();
      action = card.card.AfterEnd(id, how, others);
    }
  }
  lock.lock();
  card.loading = false;
  card.load_ended_ns = MonotonicNs();
  if (status) instance->process = std::move(process);
  const Status applied = Apply(lock, card, action, "a failed load left memory on the card");
  return status ? applied : status;
}

// The card is held. Ends a model that is on its way out, else the idle one that would be unloaded
// first. False: there is none.
bool Models::MakeRoom(Lock& lock, CardSlot& card) {
  std::shared_ptr<Instance> victim;
  const int64_t now_ns = MonotonicNs();
  const auto order = [now_ns](const Instance& i) {
    const bool ending = i.state == Instance::State::kEnding;
    return std::tuple(!ending, i.keep_alive.ExpiresNs(now_ns), i.last_used_ns);
  };
  for (const auto& [key, instance] : instances_) {
    const bool idle = instance->state == Instance::State::kReady && instance->keep_alive.idle();
    if (instance->card != &card || (!idle && instance->state != Instance::State::kEnding)) continue;
    if (!victim || order(*instance) < order(*victim)) victim = instance;
  }
  if (!victim) return false;
  log::Info("server", "{}: unloading, the next model needs its room", victim->model.name);
  victim->state = Instance::State::kEnding;
  const CardAction action = EndHeld(lock, victim);
  return Apply(lock, card, action, kLostMemory).has_value();
}

// --- Ends ----------------------------------------------------------------------------------------

void Models::OnRunnerExit(uint64_t id) {
  std::lock_guard lock(mutex_);
  for (const auto& [key, instance] : instances_) {
    if (instance->id != id || instance->state != Instance::State::kReady) continue;
    CardSlot& card = *instance->card;
    ++card.card.counters().deaths;
    log::Warn("server", "{}: its runner died: {}", instance->model.name,
              instance->process->EndText());
    const int64_t now_ns = MonotonicNs();
    std::deque<int64_t>& deaths = card.deaths_ns;
    while (!deaths.empty() && now_ns - deaths.front() > kDeathWindowNs) deaths.pop_front();
    deaths.push_back(now_ns);
    BeginEnd(instance, deaths.size() <= kDeathsBeforePatience);
    return;
  }
}

void Models::BeginEnd(const std::shared_ptr<Instance>& instance, bool reload) {
  instance->state = Instance::State::kEnding;
  instance->recovering = reload;
  changed_.notify_all();
  Later([this, instance, reload] { FinishEnd(instance, reload); });
}

void Models::FinishEnd(const std::shared_ptr<Instance>& instance, bool reload) {
  Lock lock(mutex_);
  CardSlot& card = *instance->card;
  Hold(lock, card);
  CardAction action = EndHeld(lock, instance);
  std::string_view why = kLostMemory;
  if ((action == CardAction::kNothing || action == CardAction::kTolerate) &&
      card.device_failures >= 2) {
    card.device_failures = 0;
    why = "the device keeps failing";
    action = card.card.Broken(Answering(card, nullptr));
  }
  const int64_t now_ns = MonotonicNs();
  const bool wanted = instance->keep_alive.ExpiresNs(now_ns) > now_ns;
  const bool usable =
      Apply(lock, card, action, why).has_value() && card.card.state() == CardState::kOk;
  LetGo(card);
  if (reload && wanted && usable && !stopping_) {
    Reload(instance->model, instance->keep_alive.duration_ns());
  }
}

// The card is held. The process goes, its memory is checked, and the model leaves the table.
CardAction Models::EndHeld(Lock& lock, const std::shared_ptr<Instance>& instance) {
  CardSlot& card = *instance->card;
  const std::shared_ptr<RunnerProcess> process = instance->process;
  const uint64_t id = instance->id;
  lock.unlock();
  const RunnerProcess::Ending ending = process->Stop(kTermGrace);
  if (ending != RunnerProcess::Ending::kByItself) ++card.card.counters().terms;
  if (ending == RunnerProcess::Ending::kKilled ||
      ending == RunnerProcess::Ending::kCannotBeKilled) {
    ++card.card.counters().kills;
  }
  lock.lock();
  const bool others = Answering(card, instance.get());
  lock.unlock();
  const CardAction action = card.card.AfterEnd(id, HowEnded(*process, ending), others);
  lock.lock();
  if (Find(instance->key()) == instance) instances_.erase(instance->key());
  changed_.notify_all();
  return action;
}

// --- Recovery ------------------------------------------------------------------------------------

Status Models::Apply(Lock& lock, CardSlot& card, CardAction action, std::string_view why) {
  if (action == CardAction::kRebootLater) {
    log::Warn("server", "the card will be rebooted when the last stream has ended: {}", why);
    card.reboot_due = true;
  }
  if (action == CardAction::kReboot) return RebootHeld(lock, card, why);
  return {};
}

// The card is held. Every runner on it is ended first, and loaded again afterwards.
Status Models::RebootHeld(Lock& lock, CardSlot& card, std::string_view why) {
  card.recovering = true;
  std::vector<std::shared_ptr<Instance>> stopped;
  std::vector<std::shared_ptr<Instance>> others;
  for (const auto& [key, instance] : instances_) {
    if (instance->card != &card || instance->state == Instance::State::kLoading) continue;
    if (instance->state == Instance::State::kReady) others.push_back(instance);
    instance->state = Instance::State::kEnding;
    if (instance->busy) instance->busy->Cancel(StopReason::kReset);
    stopped.push_back(instance);
  }
  lock.unlock();
  bool unkillable = false;
  for (const auto& instance : stopped) {
    unkillable |= instance->process->Stop(kTermGrace) == RunnerProcess::Ending::kCannotBeKilled;
  }
  Status done;
  if (unkillable) {
    card.card.Quarantine("a process on it cannot be killed; restart this machine");
    done = Fail(ErrorKind::kUnavailable, "the card is quarantined: " + card.card.reason());
  } else {
    done = card.card.Reboot(why);
  }
  lock.lock();
  for (const auto& instance : others) {
    if (Find(instance->key()) == instance) instances_.erase(instance->key());
  }
  card.recovering = false;
  card.reboot_due = false;
  changed_.notify_all();
  if (done && !stopping_) {
    for (const auto& instance : others) {
      Reload(instance->model, instance->keep_alive.duration_ns());
    }
  }
  return done;
}

void Models::Reload(const bundle::ModelRef& model, int64_t keep_alive_ns) {
  log::Info("server", "{}: loading again", model.name);
  const auto done = std::make_shared<std::atomic<bool>>(false);
  reloads_.push_back({std::thread([this, model, keep_alive_ns, done] {
                        Request request;
                        request.model = model;
                        request.keep_alive_ns = keep_alive_ns;
                        request.load_only = true;
                        if (const auto grant = Acquire(std::move(request)); !grant) {
                          log::Warn("server", "{}: not loaded again: {}", model.name,
                                    grant.error().message);
                        }
                        *done = true;
                      }),
                      done});
}

// A thread that ran to its end keeps its stack until it is joined.
void Models::JoinReloads() {
  for (auto reload = reloads_.begin(); reload != reloads_.end();) {
    if (!*reload->done) {
      ++reload;
      continue;
    }
    reload->thread.join();
    reload = reloads_.erase(reload);
  }
}

Status Models::Reset() {
  const std::optional<bundle::ModelRef> current = Current();
  Lock lock(mutex_);
  CardSlot& card = CardFor(DefaultDevice());
  Hold(lock, card);
  card.card.Release();
  lock.unlock();
  // A card that is not there is not one that a reboot did not help.
  const auto there = card.card.Properties();
  lock.lock();
  if (!there && there.error().kind == ErrorKind::kUnavailable) {
    LetGo(card);
    return Fail(there.error());
  }
  Status done;
  if (options_.reboot == RebootPolicy::kNever) {
    std::vector<std::shared_ptr<Instance>> all;
    for (const auto& [key, instance] : instances_) {
      if (instance->card == &card && instance->state == Instance::State::kReady) {
        all.push_back(instance);
      }
    }
    for (const auto& instance : all) {
      instance->state = Instance::State::kEnding;
      if (instance->busy) instance->busy->Cancel(StopReason::kReset);
      if (EndHeld(lock, instance) == CardAction::kQuarantine) {
        done = Fail(ErrorKind::kUnavailable, "the card is quarantined: " + card.card.reason());
      }
    }
  } else {
    done = RebootHeld(lock, card, "a client asked for a reset");
  }
  LetGo(card);
  lock.unlock();
  AX_RETURN_IF_ERROR(done);
  if (!current) return {};
  Request request;
  request.model = *current;
  request.load_only = true;
  AX_RETURN_IF_ERROR(Acquire(std::move(request)));
  return {};
}

// --- The end -------------------------------------------------------------------------------------

void Models::BeginShutdown() {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  stopping_ = true;
  for (const auto& weak : calls_) {
    if (const auto call = weak.lock()) call->Cancel(StopReason::kShutdown);
  }
  changed_.notify_all();
  work_changed_.notify_all();
}

void Models::EndAll() {
  Lock lock(mutex_);
  if (quit_) return;
  // Ends go through the worker, one after the other, so that each card's memory is checked.
  for (const auto& [key, instance] : instances_) {
    if (instance->state == Instance::State::kReady) BeginEnd(instance, false);
  }
  for (const auto& [key, instance] : instances_) {
    if (instance->process) instance->process->AskToEnd();
  }
  std::list<BackgroundLoad> reloads = std::move(reloads_);
  quit_ = true;
  work_changed_.notify_all();
  lock.unlock();
  for (BackgroundLoad& reload : reloads) reload.thread.join();
  worker_.join();
  watcher_.join();
  lock.lock();
  // Destroyed outside the lock: the end of a process calls OnRunnerExit.
  const auto left = std::move(instances_);
  instances_.clear();
  const auto tasks = std::move(tasks_);
  tasks_.clear();
  lock.unlock();
  for (const auto& [device, slot] : cards_) slot->card.End();
}

}  // namespace axollama::server
