// Loads. Whoever works on a card holds it (Hold, LetGo): one load, one end with its check of the
// card's memory, or one reboot at a time.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/models_state.h"

namespace axollama::server {
namespace {

constexpr std::string_view kTooMany =
    "as many models are loaded as max_loaded_models allows, and all of them are pinned";
// A model that dies as soon as it is loaded is loaded this often for one request.
constexpr int kLoadsPerRequest = 3;

uint64_t Mib(uint64_t bytes) { return bytes >> 20; }

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

void Models::StartLoad(const std::string& key) {
  for (const Schedule::Id id : WaitingFor(key)) {
    if (++tickets_.at(id)->loads > kLoadsPerRequest) Refuse(id, api::RunnerStopped());
  }
  const std::vector<Schedule::Id> waiting = WaitingFor(key);
  if (waiting.empty()) return;
  const auto instance = std::make_shared<Instance>();
  instance->model = tickets_.at(waiting.front())->request->model;
  instance->pinned = pinned_.contains(key);
  instance->keep_alive = KeepAlive(instance->pinned ? KeepAlive::kForever : options_.keep_alive_ns);
  instances_[key] = instance;
  schedule_.LoadBegins(key);
  if (InBackground([this, instance] { Load(instance); })) return;
  instances_.erase(key);
  schedule_.LoadFailed(key);
  const Error error{ErrorKind::kUnavailable, "this computer has no thread left to load a model"};
  for (const Schedule::Id id : waiting) Refuse(id, error);
}

void Models::Load(const std::shared_ptr<Instance>& instance) {
  const bundle::ModelRef& model = instance->model;
  const std::string key = instance->key();
  Result<bundle::Bundle> bundle = bundle::Open(model.folder);
  Lock lock(mutex_);
  Status status;
  if (!bundle) {
    status = Fail(bundle.error());
  } else {
    for (const std::string& note : bundle->notes) log::Debug("server", "{}: {}", model.name, note);
    instance->bundle = std::make_shared<const bundle::Bundle>(std::move(*bundle));
    instance->room =
        !options_.device.empty() ? options_.device : (instance->bundle->simulator ? "sim" : "axcl");
    last_device_ = instance->room;
    instance->card = &CardFor(instance->room);
    Hold(lock, *instance->card);
    status = LoadWithRecovery(lock, instance);
    LetGo(*instance->card);
  }
  const int64_t now_ns = MonotonicNs();
  if (status) {
    instance->state = Instance::State::kReady;
    // It counts as just used, so that it does not go before anybody had a chance.
    instance->keep_alive.Begin(std::nullopt);
    instance->keep_alive.End(now_ns);
    schedule_.Ready(key, instance->room, instance->pinned, now_ns);
    NoteUse(*instance);
    if (instance->process->gone()) BeginEnd(instance, false);
  } else {
    instances_.erase(key);
    if (status.error().kind == ErrorKind::kBusy) {
      log::Info("server", "{}: waits for room beside the models in use", model.name);
      // It was not tried in vain: there was nothing to try.
      for (const Schedule::Id id : WaitingFor(key)) --tickets_.at(id)->loads;
      schedule_.NoRoom(key, instance->needs_place ? "" : instance->room, now_ns);
    } else {
      log::Warn("server", "{}: cannot load: {}", model.name, status.error().message);
      // Who waited for the same load gets the same answer.
      schedule_.LoadFailed(key);
      for (const Schedule::Id id : WaitingFor(key)) Refuse(id, status.error());
    }
  }
  Dispatch();
  work_changed_.notify_all();
}

// The card is held. A load that fails for want of memory makes room, and is kBusy when that has to
// wait for a model in use; one that fails on the device is tried again, then once more after a
// reboot of the card.
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
    if (schedule_.TooManyLoaded()) {
      if (MakeRoom(lock, *instance, "")) continue;
      instance->needs_place = true;
      return NoRoomNow(*instance, "", {ErrorKind::kNoMemory, std::string(kTooMany)});
    }
    Status status = LoadOnce(lock, instance);
    if (status || stopping_) return status;
    if (status.error().kind == ErrorKind::kNoMemory) {
      if (card.reboot_due && !Answering(card, nullptr)) {
        AX_RETURN_IF_ERROR(
            RebootHeld(lock, card, "the next model does not fit beside lost memory"));
        continue;
      }
      // Lost memory comes back with the reboot that is due.
      const auto never = card.reboot_due ? std::nullopt : NeverFits(*instance);
      if (never) return Fail(*never);
      if (!MakeRoom(lock, *instance, instance->room)) {
        return NoRoomNow(*instance, instance->room, status.error());
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
  if (process) instance->needed_bytes = process->page().needed_bytes.load();
  if (status) instance->process = std::move(process);
  const Status applied = Apply(lock, card, action, "a failed load left memory on the card");
  return status ? applied : status;
}

// What does not fit even when everything is gone that can go: said before models go for nothing.
std::optional<Error> Models::NeverFits(const Instance& instance) const {
  const auto properties = instance.card->card.LastProperties();
  const uint64_t total = properties ? properties->cmm_total_bytes.value_or(0) : 0;
  if (total == 0 || instance.needed_bytes == 0) return std::nullopt;
  const uint64_t others = instance.card->card.OthersBytes();
  uint64_t pinned = 0;
  for (const auto& [key, other] : instances_) {
    if (other->pinned && other->card == instance.card && other->process) {
      pinned += other->process->props().cmm_bytes;
    }
  }
  if (instance.needed_bytes + others + pinned <= total) return std::nullopt;
  std::string message =
      fmt::format("the model does not fit on the card: it needs {} MiB of CMM, the card has {} MiB",
                  Mib(instance.needed_bytes), Mib(total));
  if (instance.needed_bytes <= total) {
    message += fmt::format(", of which other programs have {} MiB and pinned models {} MiB",
                           Mib(others), Mib(pinned));
  }
  return Error{ErrorKind::kNoMemory, std::move(message)};
}

// kBusy when it is worth to wait, else the error that stands in the way.
Status Models::NoRoomNow(const Instance& instance, const std::string& room, Error error) const {
  if (!schedule_.RoomWillCome(instance.key(), room)) return Fail(std::move(error));
  return Fail(ErrorKind::kBusy, std::move(error.message));
}

// The card is held. Ends a model of `room` (empty: any, wherever it is) that is on its way out,
// else the idle one that goes first. False: there is none.
bool Models::MakeRoom(Lock& lock, const Instance& instance, const std::string& room) {
  std::shared_ptr<Instance> victim;
  for (const auto& [key, other] : instances_) {
    const bool helps = room.empty() || other->card == instance.card;
    if (helps && other->state == Instance::State::kEnding) victim = other;
  }
  if (!victim) {
    const auto key = schedule_.Victim(instance.key(), room, MonotonicNs());
    if (!key) return false;
    victim = Find(*key);
    log::Info("server", "{}: unloading, the next model needs its room", victim->model.name);
    Ending(*victim);
  }
  const bool elsewhere = victim->card != instance.card;
  if (elsewhere) {
    Hold(lock, *victim->card);
    if (Find(victim->key()) != victim) {  // whoever held its card has ended it
      LetGo(*victim->card);
      return true;
    }
  }
  const CardAction action = EndHeld(lock, victim);
  const Status applied = Apply(lock, *victim->card, action, kLostMemory);
  if (elsewhere) LetGo(*victim->card);
  return applied.has_value();
}

void Models::Reload(const bundle::ModelRef& model, int64_t keep_alive_ns) {
  log::Info("server", "{}: loading again", model.name);
  // Without a thread its next request loads it.
  (void)InBackground([this, model, keep_alive_ns] {
    Request request;
    request.model = model;
    request.keep_alive_ns = keep_alive_ns;
    request.load_only = true;
    request.own = true;
    if (const auto grant = Acquire(std::move(request)); !grant) {
      log::Warn("server", "{}: not loaded again: {}", model.name, grant.error().message);
    }
  });
}

}  // namespace axollama::server
