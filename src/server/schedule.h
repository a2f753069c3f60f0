// Who is served next and which model is loaded next, decided from what it is told: no threads, no
// clock, no process.
//
// - One sequence per model. Its requests are served in turn over their clients (start-time fair
//   queueing): a client's hundred requests delay another's one by one request, and whoever waits is
//   passed over by a bounded number of newcomers only.
// - Models are loaded in the order in which somebody began to wait for them. One that does not fit
//   beside those in use waits for its room. A loaded model serves on for a turn meanwhile, so that
//   models do not push each other out for every request; then it takes no more, and goes.
// - An idle model goes in the order in which it would be unloaded anyway; a pinned one never.
// - A full queue takes a request of a client that has few waiting in place of the newest of the
//   client that has the most.
//
// Owner and threads: Models, under its lock. Times: MonotonicNs(), given from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace axollama::server {

class Schedule {
 public:
  using Id = uint64_t;  // of a request that waits; ascending in order of arrival

  struct Options {
    size_t max_queue = 512;
    size_t max_loaded = 0;  // 0: no limit but the memory
    int64_t turn_ns = 0;
  };
  explicit Schedule(Options options) : options_(options) {}

  // --- Requests ---

  struct Wish {
    std::string model;
    std::string client;    // those with the same share a turn
    bool sequence = true;  // false: needs the model loaded, no more
    bool limited = true;   // false: the server's own, which no limit refuses
  };
  struct Place {
    Id id = 0;
    std::optional<Id> displaced;  // left the queue in its favour
  };
  std::optional<Place> Enter(const Wish& wish);  // nothing: the queue is full
  void Leave(Id id);
  size_t waiting() const { return requests_.size(); }
  size_t WaitingFor(const std::string& model) const;

  // --- What happens to models. A room is the memory that models share: a card's. ---

  void LoadBegins(const std::string& model);
  void LoadFailed(const std::string& model);
  // It does not fit beside the models in use; `room` empty: too many models are loaded.
  void NoRoom(const std::string& model, const std::string& room, int64_t now_ns);
  void Ready(const std::string& model, const std::string& room, bool pinned, int64_t now_ns);
  // A ready one's use began or ended, or its time to go changed.
  void Use(const std::string& model, bool idle, int64_t expires_ns);
  void Ends(const std::string& model);  // serves nobody any more
  void Gone(const std::string& model);  // its memory is free

  // --- Decisions ---

  // The request that gets the free sequence of a ready model; it leaves the queue.
  std::optional<Id> Serve(const std::string& model, int64_t now_ns);
  // Those that need no more than that the model is ready; they leave the queue.
  std::vector<Id> ServeLoadOnly(const std::string& model);
  // The model to load now. One at a time.
  std::optional<std::string> NextLoad(int64_t now_ns) const;
  // The idle model that makes room for `model`.
  std::optional<std::string> Victim(const std::string& model, const std::string& room,
                                    int64_t now_ns) const;
  // Whether room for `model` can come of itself: some other model in it will be idle once.
  bool RoomWillCome(const std::string& model, const std::string& room) const;
  bool TooManyLoaded() const;  // for one more

 private:
  struct Request {
    Wish wish;
    uint64_t start = 0;  // virtual time at which it is its client's turn
  };
  struct Waiting {  // for room
    std::string room;
    int64_t since_ns = 0;
    bool again = false;  // something went: it may fit now
  };
  struct Model {
    enum class State { kAbsent, kLoading, kReady, kEnding };
    State state = State::kAbsent;
    std::string room;
    bool pinned = false, idle = false;
    int64_t ready_ns = 0, expires_ns = 0;
    uint64_t used = 0;  // when last, in order
    uint64_t line = 0;  // since when it waits to be loaded, in order; 0: it does not
    std::optional<Waiting> waiting;
    uint64_t clock = 0;                          // virtual time
    std::map<std::string, uint64_t> next_start;  // by client, where it is ahead of the clock
  };
  static bool Shares(const Model& model, const std::string& room) {
    return room.empty() || model.room == room;
  }
  bool TurnIsOver(const std::string& name, const Model& model, int64_t now_ns) const;
  bool Wanted(const std::string& model) const;  // somebody waits for its sequence
  void Forget(const std::string& model);        // unless something is known of it
  std::optional<Id> Displace(const std::string& client);
  void Remove(Id id);

  const Options options_;
  std::map<Id, Request> requests_;
  std::map<std::string, Model> models_;
  Id next_id_ = 1;
  uint64_t order_ = 0;
};

// How long a client that found the queue full had better wait: until about a quarter of those
// before it are served, from how long a request holds a model. 1 to 60 s.
int RetryAfterS(size_t waiting, int64_t mean_hold_ns);

}  // namespace axollama::server
