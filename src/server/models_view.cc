// What others may know of the models.
#include <fmt/format.h>

#include <utility>

#include "base/clock.h"
#include "server/models_state.h"

namespace axollama::server {

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

}  // namespace axollama::server
