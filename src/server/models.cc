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

// Whose card /health is about before anything was loaded: that of the models that are there.
std::string DeviceOfBundles(const store::Store& store) {
  std::string device;
  for (const store::Model& model : store.List()) {
    const auto bundle = bundle::Open(model.folder);
    if (bundle && !bundle->simulator) return "axcl";
    if (bundle) device = "sim";
  }
  return device;
}

Schedule::Options QueueOptions(const ModelsOptions& options) {
  Schedule::Options out;
  out.max_queue = options.max_queue;
  out.max_loaded = options.max_loaded;
  out.turn_ns = std::chrono::nanoseconds(options.turn).count();
  return out;
}

}  // namespace

Models::Models(ModelsOptions options, RuntimeFolder* runtime)
    : options_(std::move(options)),
      store_(store::OptionsFor(options_.roots)),
      runtime_(runtime),
      schedule_(QueueOptions(options_)),
      last_device_(DeviceOfBundles(store_)) {
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

void Models::Pin(const bundle::ModelRef& model) {
  std::lock_guard lock(mutex_);
  pinned_.insert(model.folder.string());
}

int Models::RetryAfterS() {
  std::lock_guard lock(mutex_);
  return server::RetryAfterS(schedule_.waiting(), mean_hold_ns_);
}

Result<Models::Grant> Models::Acquire(Request request) {
  const int64_t start_ns = MonotonicNs();
  if (!request.slot) request.slot = std::make_shared<CallSlot>();
  Ticket ticket;
  ticket.request = &request;
  Lock lock(mutex_);
  if (stopping_) return Fail(ErrorKind::kUnavailable, "the server is shutting down");
  Schedule::Wish wish;
  wish.model = request.model.folder.string();
  wish.client = request.client;
  wish.sequence = !request.load_only;
  wish.limited = !request.own;
  const auto place = schedule_.Enter(wish);
  const Error full{ErrorKind::kBusy,
                   "server busy, please try again.  maximum pending requests exceeded"};
  if (!place) return Fail(full);
  if (place->displaced) Refuse(*place->displaced, full);
  tickets_[place->id] = &ticket;
  calls_.push_back(request.slot);
  Dispatch();
  if (!ticket.instance) {
    log::Debug("server", "{}: {} requests wait", request.model.name, tickets_.size());
  }
  ticket.changed.wait(lock, [&] {
    return ticket.instance || ticket.error || stopping_ ||
           request.slot->reason() != StopReason::kNone;
  });
  if (ticket.instance) {
    const int64_t now_ns = MonotonicNs();
    return Grant(this, ticket.instance, request.load_only ? nullptr : request.slot, now_ns,
                 now_ns - start_ns);
  }
  if (!ticket.error) {
    schedule_.Leave(place->id);
    tickets_.erase(place->id);
    Dispatch();
    log::Debug("server", "{}: a request was given up, {} wait", request.model.name,
               tickets_.size());
  }
  if (stopping_) return Fail(ErrorKind::kUnavailable, "the server is shutting down");
  if (ticket.error) return Fail(*ticket.error);
  return Fail(ErrorKind::kCancelled, "request canceled");
}

// Whatever happened, what may be done now is done: sequences are given, a load is begun.
void Models::Dispatch() {
  if (stopping_) return;
  const int64_t now_ns = MonotonicNs();
  for (const auto& [key, instance] : instances_) {
    if (instance->state != Instance::State::kReady || instance->cancelled) continue;
    for (const Schedule::Id id : schedule_.ServeLoadOnly(key)) Give(id, instance);
    if (instance->busy) continue;
    if (const auto id = schedule_.Serve(key, now_ns)) Give(*id, instance);
  }
  while (const auto key = schedule_.NextLoad(now_ns)) StartLoad(*key);
}

// It has left the schedule.
void Models::Give(Schedule::Id id, const std::shared_ptr<Instance>& instance) {
  Ticket& ticket = *tickets_.at(id);
  tickets_.erase(id);
  const Request& request = *ticket.request;
  instance->keep_alive.Begin(instance->pinned ? std::nullopt : request.keep_alive_ns);
  NoteUse(*instance);
  last_used_ = instance->key();
  request.slot->moved_ns = MonotonicNs();
  if (!request.load_only) instance->busy = request.slot;
  ticket.instance = instance;
  ticket.changed.notify_all();
  work_changed_.notify_all();
}

void Models::Refuse(Schedule::Id id, const Error& error) {
  schedule_.Leave(id);
  Ticket& ticket = *tickets_.at(id);
  tickets_.erase(id);
  ticket.error = error;
  ticket.changed.notify_all();
}

std::vector<Schedule::Id> Models::WaitingFor(const std::string& key) const {
  std::vector<Schedule::Id> out;
  for (const auto& [id, ticket] : tickets_) {
    if (ticket->request->model.folder.string() == key) out.push_back(id);
  }
  return out;
}

void Models::Wake() {
  std::lock_guard lock(mutex_);
  for (const auto& [id, ticket] : tickets_) {
    if (ticket->request->slot->reason() != StopReason::kNone) ticket->changed.notify_all();
  }
}

void Models::NoteUse(const Instance& instance) {
  if (Find(instance.key()).get() != &instance) return;
  schedule_.Use(instance.key(), instance.keep_alive.idle(),
                instance.keep_alive.ExpiresNs(MonotonicNs()));
}

void Models::Release(const Grant& grant) {
  std::lock_guard lock(mutex_);
  const std::shared_ptr<Instance>& instance = grant.instance_;
  const int64_t now_ns = MonotonicNs();
  instance->keep_alive.End(now_ns);
  if (grant.slot_) {
    if (instance->busy == grant.slot_) instance->busy = nullptr;
    const int64_t held_ns = now_ns - grant.begun_ns_;
    mean_hold_ns_ += (held_ns - mean_hold_ns_) / (mean_hold_ns_ == 0 ? 1 : 8);
  }
  NoteUse(*instance);
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
  Dispatch();
  work_changed_.notify_all();
}

Status Models::Unload(const bundle::ModelRef& model) {
  std::lock_guard lock(mutex_);
  if (pinned_.contains(model.folder.string())) {
    return Fail(
        ErrorKind::kConflict,
        fmt::format("model '{}' is pinned by this server's settings and stays loaded", model.name));
  }
  if (chosen_ && chosen_->folder == model.folder) chosen_.reset();
  const std::shared_ptr<Instance> instance = Find(model.folder.string());
  if (!instance || instance->state == Instance::State::kEnding) return {};
  const int64_t now_ns = MonotonicNs();
  instance->keep_alive.Begin(0);
  instance->keep_alive.End(now_ns);
  NoteUse(*instance);
  if (instance->state == Instance::State::kReady && instance->keep_alive.Due(now_ns)) {
    BeginEnd(instance, false);
  }
  return {};
}

void Models::AddHolder(const bundle::ModelRef& model) {
  std::lock_guard lock(mutex_);
  const std::string key = model.folder.string();
  Holders& holders = holders_[key];
  if (holders.count++ > 0) return;
  const std::shared_ptr<Instance> instance = Find(key);
  const bool loaded = instance && instance->state == Instance::State::kReady;
  if (loaded) holders.keep_alive_ns = instance->keep_alive.duration_ns();
}

void Models::RemoveHolder(const bundle::ModelRef& model) {
  {
    std::lock_guard lock(mutex_);
    const auto holders = holders_.find(model.folder.string());
    if (--holders->second.count > 0) return;
    const std::optional<int64_t> before_ns = holders->second.keep_alive_ns;
    holders_.erase(holders);
    if (before_ns) {
      const std::shared_ptr<Instance> instance = Find(model.folder.string());
      if (!instance || instance->pinned) return;
      instance->keep_alive.Begin(before_ns);
      instance->keep_alive.End(MonotonicNs());
      NoteUse(*instance);
      work_changed_.notify_all();
      return;
    }
  }
  (void)Unload(model);
}

// --- Grants --------------------------------------------------------------------------------------

Models::Grant::Grant(Models* models, std::shared_ptr<Instance> instance,
                     std::shared_ptr<CallSlot> slot, int64_t begun_ns, int64_t waited_ns)
    : models_(models),
      instance_(std::move(instance)),
      slot_(std::move(slot)),
      begun_ns_(begun_ns),
      waited_ns_(waited_ns) {}

Models::Grant::~Grant() {
  if (instance_) models_->Release(*this);
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
