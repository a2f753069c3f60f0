#include "server/schedule.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace axollama::server {
namespace {

// Virtual time: a request moves its client's next turn on by kRequest; each request that is served
// moves the clock on by one, so that at most so many newcomers pass anybody per turn.
constexpr uint64_t kRequest = 32;

}  // namespace

// --- Requests ------------------------------------------------------------------------------------

std::optional<Schedule::Place> Schedule::Enter(const Wish& wish) {
  Place place;
  if (wish.limited) {
    const auto limited = std::count_if(requests_.begin(), requests_.end(),
                                       [](const auto& entry) { return entry.second.wish.limited; });
    if (static_cast<size_t>(limited) >= options_.max_queue) {
      place.displaced = Displace(wish.client);
      if (!place.displaced) return std::nullopt;
    }
  }
  Model& model = models_[wish.model];
  Request request{wish, model.clock};
  if (wish.sequence) {
    const auto next = model.next_start.find(wish.client);
    if (next != model.next_start.end()) request.start = std::max(request.start, next->second);
    model.next_start[wish.client] = request.start + kRequest;
  }
  if (model.state != Model::State::kReady && model.line == 0) model.line = ++order_;
  place.id = next_id_++;
  requests_.emplace(place.id, std::move(request));
  return place;
}

// The newest request of whoever has the most, if that is two more than `client` has.
std::optional<Schedule::Id> Schedule::Displace(const std::string& client) {
  std::map<std::string, std::pair<size_t, Id>> held;
  for (const auto& [id, request] : requests_) {
    if (!request.wish.limited) continue;
    auto& [count, newest] = held[request.wish.client];
    ++count;
    newest = id;
  }
  const auto most = std::max_element(
      held.begin(), held.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto own = held.find(client);
  const size_t own_count = own == held.end() ? 0 : own->second.first;
  if (most == held.end() || most->second.first < own_count + 2) return std::nullopt;
  const Id newest = most->second.second;
  Leave(newest);
  return newest;
}

void Schedule::Leave(Id id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  // Its client's turn is not used up: the later ones move up.
  const Wish wish = found->second.wish;
  if (wish.sequence) {
    for (auto later = std::next(found); later != requests_.end(); ++later) {
      Request& request = later->second;
      if (request.wish.model != wish.model || request.wish.client != wish.client) continue;
      if (request.wish.sequence) std::swap(request.start, found->second.start);
    }
    models_[wish.model].next_start[wish.client] = found->second.start;
  }
  Remove(id);
}

void Schedule::Remove(Id id) {
  const auto found = requests_.find(id);
  const std::string name = found->second.wish.model;
  requests_.erase(found);
  if (WaitingFor(name) > 0) return;
  Model& model = models_[name];
  model.waiting.reset();
  model.line = 0;
  Forget(name);
}

size_t Schedule::WaitingFor(const std::string& model) const {
  return static_cast<size_t>(
      std::count_if(requests_.begin(), requests_.end(),
                    [&](const auto& entry) { return entry.second.wish.model == model; }));
}

bool Schedule::Wanted(const std::string& model) const {
  return std::any_of(requests_.begin(), requests_.end(), [&](const auto& entry) {
    return entry.second.wish.model == model && entry.second.wish.sequence;
  });
}

void Schedule::Forget(const std::string& model) {
  const auto found = models_.find(model);
  if (found != models_.end() && found->second.state == Model::State::kAbsent &&
      WaitingFor(model) == 0) {
    models_.erase(found);
  }
}

// --- Models --------------------------------------------------------------------------------------

void Schedule::LoadBegins(const std::string& model) {
  models_[model].state = Model::State::kLoading;
}

void Schedule::LoadFailed(const std::string& model) {
  models_[model].state = Model::State::kAbsent;
  models_[model].waiting.reset();
  Forget(model);
}

void Schedule::NoRoom(const std::string& model, const std::string& room, int64_t now_ns) {
  models_[model].state = Model::State::kAbsent;
  std::optional<Waiting>& waiting = models_[model].waiting;
  if (!waiting) waiting = Waiting{room, now_ns};
  waiting->room = room;
  waiting->again = false;
  Forget(model);
}

void Schedule::Ready(const std::string& model, const std::string& room, bool pinned,
                     int64_t now_ns) {
  Model& ready = models_[model];
  ready.state = Model::State::kReady;
  ready.room = room;
  ready.pinned = pinned;
  ready.ready_ns = now_ns;
  ready.line = 0;
  ready.waiting.reset();
}

void Schedule::Use(const std::string& model, bool idle, int64_t expires_ns) {
  const auto found = models_.find(model);
  if (found == models_.end() || found->second.state != Model::State::kReady) return;
  found->second.idle = idle;
  found->second.expires_ns = expires_ns;
  found->second.used = ++order_;
}

void Schedule::Ends(const std::string& model) {
  const auto found = models_.find(model);
  if (found == models_.end()) return;
  found->second.state = Model::State::kEnding;
  if (WaitingFor(model) > 0) found->second.line = ++order_;
}

void Schedule::Gone(const std::string& model) {
  const auto found = models_.find(model);
  if (found == models_.end()) return;
  found->second.state = Model::State::kAbsent;
  for (auto& [name, other] : models_) {
    if (other.waiting) other.waiting->again = true;
  }
  Forget(model);
}

// --- Decisions -----------------------------------------------------------------------------------

bool Schedule::TurnIsOver(const std::string& name, const Model& model, int64_t now_ns) const {
  if (model.pinned) return false;
  return std::any_of(models_.begin(), models_.end(), [&](const auto& entry) {
    const auto& [other_name, other] = entry;
    return other_name != name && other.waiting && Shares(model, other.waiting->room) &&
           now_ns - std::max(other.waiting->since_ns, model.ready_ns) >= options_.turn_ns;
  });
}

std::optional<Schedule::Id> Schedule::Serve(const std::string& model, int64_t now_ns) {
  const auto found = models_.find(model);
  if (found == models_.end() || found->second.state != Model::State::kReady ||
      TurnIsOver(model, found->second, now_ns)) {
    return std::nullopt;
  }
  const Request* first = nullptr;
  Id id = 0;
  for (const auto& [candidate, request] : requests_) {
    if (request.wish.model != model || !request.wish.sequence) continue;
    if (first != nullptr && request.start >= first->start) continue;
    first = &request;
    id = candidate;
  }
  if (first == nullptr) return std::nullopt;
  Model& ready = found->second;
  ready.clock = std::max(ready.clock + 1, first->start);
  std::erase_if(ready.next_start, [&](const auto& next) { return next.second <= ready.clock; });
  Remove(id);
  return id;
}

std::vector<Schedule::Id> Schedule::ServeLoadOnly(const std::string& model) {
  std::vector<Id> out;
  const auto found = models_.find(model);
  if (found == models_.end() || found->second.state != Model::State::kReady) return out;
  for (const auto& [id, request] : requests_) {
    if (request.wish.model == model && !request.wish.sequence) out.push_back(id);
  }
  for (const Id id : out) Remove(id);
  return out;
}

std::optional<std::string> Schedule::NextLoad(int64_t now_ns) const {
  const std::pair<const std::string, Model>* first = nullptr;
  for (const auto& entry : models_) {
    const Model& model = entry.second;
    if (model.state == Model::State::kLoading) return std::nullopt;
    if (model.state != Model::State::kAbsent || model.line == 0) continue;
    if (first == nullptr || model.line < first->second.line) first = &entry;
  }
  if (first == nullptr) return std::nullopt;
  const auto& [name, model] = *first;
  // Nobody overtakes one that waits for room: what it waits for would be taken away again.
  const bool now = !model.waiting || model.waiting->again ||
                   !RoomWillCome(name, model.waiting->room) ||
                   Victim(name, model.waiting->room, now_ns);
  return now ? std::optional(name) : std::nullopt;
}

std::optional<std::string> Schedule::Victim(const std::string& model, const std::string& room,
                                            int64_t now_ns) const {
  const std::pair<const std::string, Model>* victim = nullptr;
  const auto order = [](const Model& m) { return std::tuple(m.expires_ns, m.used); };
  for (const auto& entry : models_) {
    const auto& [name, other] = entry;
    if (name == model || other.state != Model::State::kReady || !other.idle || other.pinned ||
        !Shares(other, room) || (Wanted(name) && !TurnIsOver(name, other, now_ns))) {
      continue;
    }
    if (victim == nullptr || order(other) < order(victim->second)) victim = &entry;
  }
  return victim == nullptr ? std::nullopt : std::optional(victim->first);
}

bool Schedule::RoomWillCome(const std::string& model, const std::string& room) const {
  return std::any_of(models_.begin(), models_.end(), [&](const auto& entry) {
    const auto& [name, other] = entry;
    return name != model && !other.pinned && Shares(other, room) &&
           (other.state == Model::State::kReady || other.state == Model::State::kEnding);
  });
}

bool Schedule::TooManyLoaded() const {
  if (options_.max_loaded == 0) return false;
  const auto loaded = std::count_if(models_.begin(), models_.end(), [](const auto& entry) {
    return entry.second.state == Model::State::kReady ||
           entry.second.state == Model::State::kEnding;
  });
  return static_cast<size_t>(loaded) >= options_.max_loaded;
}

int RetryAfterS(size_t waiting, int64_t mean_hold_ns) {
  const double served_ns = static_cast<double>(mean_hold_ns) * static_cast<double>(waiting / 4 + 1);
  return static_cast<int>(std::clamp(served_ns / 1e9 + 0.999, 1.0, 60.0));
}

}  // namespace axollama::server
