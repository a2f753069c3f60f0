// The ends of runners, and the upper half of the recovery ladder.
#include <fmt/format.h>

#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "server/models_state.h"

namespace axollama::server {
namespace {

// Deaths within this time after which a model is loaded again only when somebody asks for it.
constexpr int64_t kDeathWindowNs = 300'000'000'000;
constexpr size_t kDeathsBeforePatience = 3;

}  // namespace

RunnerEnd HowEnded(const RunnerProcess& process, RunnerProcess::Ending ending) {
  if (ending == RunnerProcess::Ending::kCannotBeKilled) return RunnerEnd::kUnkillable;
  return process.EndedInOrder() ? RunnerEnd::kInOrder : RunnerEnd::kBroken;
}

void Models::Ending(Instance& instance) {
  instance.state = Instance::State::kEnding;
  schedule_.Ends(instance.key());
}

void Models::Remove(const std::shared_ptr<Instance>& instance) {
  if (Find(instance->key()) != instance) return;
  instances_.erase(instance->key());
  schedule_.Gone(instance->key());
  Dispatch();
}

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
  Ending(*instance);
  instance->recovering = reload;
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
  const bool wanted = instance->pinned || instance->keep_alive.ExpiresNs(now_ns) > now_ns;
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
  Remove(instance);
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
    Ending(*instance);
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
  card.recovering = false;
  card.reboot_due = false;
  for (const auto& instance : others) Remove(instance);
  if (done && !stopping_) {
    for (const auto& instance : others) {
      Reload(instance->model, instance->keep_alive.duration_ns());
    }
  }
  return done;
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
      Ending(*instance);
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
  request.own = true;
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
  for (const auto& [id, ticket] : tickets_) ticket->changed.notify_all();
  work_changed_.notify_all();
}

void Models::EndAll() {
  Lock lock(mutex_);
  if (quit_) return;
  // Ends go through the worker, one after the other, so that each card's memory is checked.
  const auto end_ready = [&] {
    for (const auto& [key, instance] : instances_) {
      if (instance->state != Instance::State::kReady) continue;
      BeginEnd(instance, false);
      instance->process->AskToEnd();
    }
  };
  end_ready();
  // Loads notice the end of the server by themselves, or have just succeeded.
  while (!background_.empty()) {
    std::list<Background> background;
    background.swap(background_);
    lock.unlock();
    for (Background& one : background) one.thread.join();
    lock.lock();
  }
  end_ready();
  quit_ = true;
  work_changed_.notify_all();
  lock.unlock();
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
