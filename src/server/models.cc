#include "server/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/models_state.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

// A model that dies as soon as it is loaded is loaded this often for one request.
constexpr int kLoadsPerRequest = 3;
// How long a runner may take to notice that its stuck call was cancelled.
constexpr int64_t kCancelPatienceNs = 2'000'000'000;

// Whose card /health is about before anything was loaded: that of the models that are there.
std::string DeviceOfBundles(const ModelsOptions& options) {
  std::string device;
  for (const bundle::ModelRef& model : bundle::ListModels(options.roots)) {
    const auto bundle = bundle::Open(model.folder);
    if (bundle && !bundle->simulator) return "axcl";
    if (bundle) device = "sim";
  }
  return device;
}

}  // namespace

Models::Models(ModelsOptions options, RuntimeFolder* runtime)
    : options_(std::move(options)), runtime_(runtime), last_device_(DeviceOfBundles(options_)) {
  watcher_ = std::thread([this] { Watch(); });
  worker_ = std::thread([this] { Work(); });
}

Models::~Models() {
  BeginShutdown();
  EndAll();
}

// --- The queue -----------------------------------------------------------------------------------

std::shared_ptr<Models::Instance> Models::Find(const std::string& key) const {
  const auto found = instances_.find(key);
  return found == instances_.end() ? nullptr : found->second;
}

bool Models::First(const Ticket& ticket) const {
  for (const Ticket* other : queue_) {
    if (other == &ticket) return true;
    if (other->key == ticket.key && !other->request->load_only) return false;
  }
  return true;
}

bool Models::HeldBack(const Ticket& ticket) const {
  // Somebody earlier waits for room: who comes later must not keep the other models busy for ever.
  for (const Ticket* other : queue_) {
    if (other == &ticket) return false;
    if (other->waits_for_room && other->key != ticket.key) return true;
  }
  return false;
}

Result<Models::Grant> Models::Acquire(Request request) {
  const int64_t start_ns = MonotonicNs();
  if (!request.slot) request.slot = std::make_shared<CallSlot>();
  Ticket ticket;
  ticket.key = request.model.folder.string();
  ticket.request = &request;
  Lock lock(mutex_);
  if (queue_.size() >= std::max<size_t>(1, options_.max_queue)) {
    return Fail(ErrorKind::kBusy,
                "server busy, please try again.  maximum pending requests exceeded");
  }
  const auto place = queue_.insert(queue_.end(), &ticket);
  calls_.push_back(request.slot);
  const auto leave = [&] {
    queue_.erase(place);
    changed_.notify_all();
  };
  int loads = 0;
  for (;;) {
    if (stopping_) {
      leave();
      return Fail(ErrorKind::kUnavailable, "the server is shutting down");
    }
    if (request.slot->reason() != StopReason::kNone) {
      leave();
      return Fail(ErrorKind::kCancelled, "request canceled");
    }
    if (ticket.error) {
      leave();
      return Fail(*ticket.error);
    }
    const std::shared_ptr<Instance> instance = Find(ticket.key);
    if (instance && instance->state == Instance::State::kReady) {
      const bool free = request.load_only || (!instance->busy && First(ticket));
      if (free && !instance->cancelled && !HeldBack(ticket)) {
        const int64_t now_ns = MonotonicNs();
        instance->keep_alive.Begin(request.keep_alive_ns);
        instance->last_used_ns = now_ns;
        last_used_ = ticket.key;
        request.slot->moved_ns = now_ns;
        if (!request.load_only) instance->busy = request.slot;
        leave();
        work_changed_.notify_all();
        return Grant(this, instance, request.load_only ? nullptr : request.slot, now_ns - start_ns);
      }
    } else if (!instance && First(ticket) && !HeldBack(ticket)) {
      const Status loaded = ++loads > kLoadsPerRequest ? Status(Fail(api::RunnerStopped()))
                                                       : Load(lock, request.model);
      if (loaded) {
        ticket.waits_for_room = false;
        continue;
      }
      if (loaded.error().kind == ErrorKind::kNoMemory && !stopping_) {
        const auto busy = std::find_if(instances_.begin(), instances_.end(), [](const auto& entry) {
          return entry.second->busy != nullptr;
        });
        if (busy != instances_.end()) {
          // It may fit once one of them is idle.
          ticket.waits_for_room = true;
          --loads;
          changed_.wait_for(lock, milliseconds(1000));
          continue;
        }
      }
      // Who waited for the same load gets the same answer.
      for (Ticket* other : queue_) {
        if (other != &ticket && other->key == ticket.key) other->error = loaded.error();
      }
      leave();
      return Fail(loaded.error());
    }
    changed_.wait_for(lock, milliseconds(1000));
  }
}

void Models::Wake() {
  std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void Models::Release(const std::shared_ptr<Instance>& instance,
                     const std::shared_ptr<CallSlot>& slot, bool load_only) {
  std::lock_guard lock(mutex_);
  const int64_t now_ns = MonotonicNs();
  instance->keep_alive.End(now_ns);
  instance->last_used_ns = now_ns;
  if (!load_only && instance->busy == slot) instance->busy = nullptr;
  CardSlot& card = *instance->card;
  if (card.reboot_due && !Answering(card, nullptr)) {
    Later([this, &card] {
      Lock task_lock(mutex_);
      Hold(task_lock, card);
      if (card.reboot_due && !Answering(card, nullptr)) {
        (void)RebootHeld(task_lock, card, "the last stream has ended");
      }
      LetGo(card);
    });
  }
  changed_.notify_all();
  work_changed_.notify_all();
}

void Models::Unload(const bundle::ModelRef& model) {
  std::lock_guard lock(mutex_);
  if (chosen_ && chosen_->folder == model.folder) chosen_.reset();
  const std::shared_ptr<Instance> instance = Find(model.folder.string());
  if (!instance || instance->state == Instance::State::kEnding) return;
  const int64_t now_ns = MonotonicNs();
  instance->keep_alive.Begin(0);
  instance->keep_alive.End(now_ns);
  if (instance->state == Instance::State::kReady && instance->keep_alive.Due(now_ns)) {
    BeginEnd(instance, false);
  }
}

// --- What others may know ------------------------------------------------------------------------

Models::Loaded Models::Describe(const Instance& instance, int64_t now_ns) const {
  Loaded out;
  out.model = instance.model;
  out.bundle = instance.bundle;
  out.props = instance.process->props();
  out.expires_ns = instance.keep_alive.ExpiresNs(now_ns);
  out.pid = instance.process->pid();
  return out;
}

std::vector<Models::Loaded> Models::List() {
  std::lock_guard lock(mutex_);
  std::vector<Loaded> out;
  const int64_t now_ns = MonotonicNs();
  for (const auto& [key, instance] : instances_) {
    if (instance->state == Instance::State::kReady) out.push_back(Describe(*instance, now_ns));
  }
  return out;
}

Models::Health Models::GetHealth() {
  Health out;
  Card* card = nullptr;
  {
    std::lock_guard lock(mutex_);
    const int64_t now_ns = MonotonicNs();
    bool loading = false;
    bool recovering = false;
    const Instance* current = nullptr;
    for (const auto& [key, instance] : instances_) {
      if (instance->state == Instance::State::kLoading) loading = true;
      if (instance->recovering) recovering = true;
      if (instance->state != Instance::State::kReady) continue;
      const bool is_chosen = chosen_ && chosen_->folder == instance->model.folder;
      if (is_chosen || current == nullptr || (key == last_used_ && !chosen_)) {
        current = instance.get();
      }
    }
    if (current != nullptr) out.current = Describe(*current, now_ns);
    // Of a card that cannot be asked: what would be tried.
    out.backend = DefaultDevice().empty() ? "axcl" : DefaultDevice();
    out.status = recovering ? "recovering" : loading ? "loading" : "ok";
    CardSlot& slot = current != nullptr ? *current->card : CardFor(DefaultDevice());
    card = &slot.card;
    for (const auto& [name, other] : cards_) {
      if (other->card.state() == CardState::kQuarantined) {
        out.status = "failed";
        out.reason = "the card is quarantined: " + other->card.reason();
        card = &other->card;
      } else if (other->recovering && out.status != "failed") {
        out.status = "recovering";
        card = &other->card;
      }
    }
  }
  // While the card is rebooted or a load has it to itself, the last values have to do.
  out.card = card->LastProperties();
  if (out.card) out.backend = out.card->backend;
  if (out.status == "recovering" || out.status == "failed") return out;
  if (out.status == "loading" && out.card) return out;
  const auto properties = card->Properties();
  if (properties) {
    out.card = *properties;
    out.backend = properties->backend;
  } else {
    out.status = "failed";
    out.reason = properties.error().message;
  }
  return out;
}

std::optional<bundle::ModelRef> Models::Current() {
  std::lock_guard lock(mutex_);
  if (chosen_) return chosen_;
  const std::shared_ptr<Instance> instance = Find(last_used_);
  if (instance && instance->state == Instance::State::kReady) return instance->model;
  for (const auto& [key, other] : instances_) {
    if (other->state == Instance::State::kReady) return other->model;
  }
  return std::nullopt;
}

void Models::Choose(const bundle::ModelRef& model) {
  std::lock_guard lock(mutex_);
  chosen_ = model;
}

std::string Models::CountersText() {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [device, slot] : cards_) {
    const CardCounters& n = slot->card.counters();
    out += fmt::format(
        "{}{} card: {} deaths, {} cancels, {} TERM, {} KILL, {} leaks, {} reboots ({} without "
        "help), {} quarantines",
        out.empty() ? "" : "; ", device, n.deaths.load(), n.cancels.load(), n.terms.load(),
        n.kills.load(), n.leaks.load(), n.reboots.load(), n.failed_reboots.load(),
        n.quarantines.load());
  }
  return out;
}

// --- The two threads -----------------------------------------------------------------------------

void Models::Later(std::function<void()> task) {
  tasks_.push_back(std::move(task));
  work_changed_.notify_all();
}

void Models::Work() {
  Lock lock(mutex_);
  for (;;) {
    work_changed_.wait(lock, [&] { return quit_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

void Models::Watch() {
  Lock lock(mutex_);
  while (!quit_) {
    WatchOnce(lock);
    const int64_t now_ns = MonotonicNs();
    int64_t pause_ns = 30'000'000'000;
    for (const auto& [key, instance] : instances_) {
      if (instance->state != Instance::State::kReady) continue;
      if (instance->keep_alive.idle()) {
        const int64_t left_ns = instance->keep_alive.ExpiresNs(now_ns) - now_ns;
        pause_ns = std::min(pause_ns, std::max<int64_t>(left_ns, 1'000'000));
      }
      // A fraction of the limit, so that a stall is noticed soon after it.
      const int64_t look_ns = std::chrono::nanoseconds(options_.stall_limit).count() / 8;
      pause_ns = std::min(pause_ns, std::clamp<int64_t>(look_ns, 20'000'000, 1'000'000'000));
    }
    work_changed_.wait_for(lock, std::chrono::nanoseconds(pause_ns));
  }
}

void Models::WatchOnce(Lock&) {
  const int64_t now_ns = MonotonicNs();
  JoinReloads();
  calls_.remove_if([](const std::weak_ptr<CallSlot>& call) { return call.expired(); });
  const auto ready = [](const Instance& i) { return i.state == Instance::State::kReady; };
  std::vector<std::shared_ptr<Instance>> all;
  for (const auto& [key, instance] : instances_) {
    if (ready(*instance)) all.push_back(instance);
  }
  const int64_t stall_ns = std::chrono::nanoseconds(options_.stall_limit).count();
  for (const std::shared_ptr<Instance>& instance : all) {
    if (!ready(*instance)) continue;
    if (!instance->busy && instance->keep_alive.Due(now_ns)) {
      log::Info("server", "{}: unloading, keep_alive is over", instance->model.name);
      BeginEnd(instance, false);
      continue;
    }
    const ProgressPage& page = instance->process->page();
    const bool runner_busy = page.state.load() == RunnerState::kBusy;
    CardSlot& card = *instance->card;
    if (instance->cancelled) {
      if (!runner_busy && !instance->busy) {
        log::Info("server", "{}: cancelling its request was enough", instance->model.name);
        instance->cancelled = false;
        changed_.notify_all();
      } else if (now_ns - instance->cancelled_ns > kCancelPatienceNs) {
        BeginEnd(instance, true);
      }
      continue;
    }
    // Others wait while a load has the card to itself; that is no stall.
    if (card.loading) continue;
    const bool active = instance->busy ? !instance->busy->waits_for_client.load() : runner_busy;
    if (!active) continue;
    int64_t last_ns = std::max(page.last_progress_ns.load(), card.load_ended_ns);
    if (instance->busy) last_ns = std::max(last_ns, instance->busy->moved_ns.load());
    if (now_ns - last_ns < stall_ns) continue;
    log::Warn("server", "{}: no progress on the device for {} s: cancelling its request",
              instance->model.name, (now_ns - last_ns) / 1'000'000'000);
    ++card.card.counters().cancels;
    instance->cancelled = true;
    instance->cancelled_ns = now_ns;
    if (instance->busy) instance->busy->Cancel(StopReason::kStalled);
    // It never took the request to the device: what hangs is the runner, and no cancelling helps.
    if (!runner_busy) BeginEnd(instance, true);
  }
}

// --- Grants --------------------------------------------------------------------------------------

Models::Grant::Grant(Models* models, std::shared_ptr<Instance> instance,
                     std::shared_ptr<CallSlot> slot, int64_t waited_ns)
    : models_(models),
      instance_(std::move(instance)),
      slot_(std::move(slot)),
      waited_ns_(waited_ns) {}

Models::Grant::~Grant() {
  if (instance_) models_->Release(instance_, slot_, slot_ == nullptr);
}

net::Target Models::Grant::target() const { return instance_->process->target(); }
const api::RunnerProps& Models::Grant::props() const { return instance_->process->props(); }
const bundle::Bundle& Models::Grant::bundle() const { return *instance_->bundle; }
const std::string& Models::Grant::name() const { return instance_->model.name; }

void Models::Grant::RunnerBroke() {
  std::lock_guard lock(models_->mutex_);
  if (instance_->state == Instance::State::kReady) models_->BeginEnd(instance_, true);
}

void Models::Grant::DeviceFailed() {
  std::lock_guard lock(models_->mutex_);
  if (instance_->state != Instance::State::kReady) return;
  ++instance_->card->device_failures;
  models_->BeginEnd(instance_, true);
}

void Models::Grant::Succeeded() {
  std::lock_guard lock(models_->mutex_);
  instance_->card->device_failures = 0;
  models_->rebooted_for_.erase(instance_->key());
  models_->answered_.insert(instance_->key());
}

}  // namespace axollama::server
