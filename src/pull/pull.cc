#include "pull/pull.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/log.h"
#include "pull/catalog.h"

namespace axollama::pull {
namespace {

namespace fs = std::filesystem;

constexpr auto kAbandonedAfter = std::chrono::hours(24 * 7);

// When a folder, or a file in it, was written last.
fs::file_time_type LastWrite(const fs::path& folder) {
  std::error_code error;
  fs::file_time_type newest = fs::last_write_time(folder, error);
  for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code ignored;
    newest = std::max(newest, it->last_write_time(ignored));
  }
  return newest;
}

// What pulls left that nobody has gone on with.
void RemoveAbandoned(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    const fs::file_time_type newest = LastWrite(it->path());
    if (newest > fs::file_time_type::clock::now() - kAbandonedAfter) continue;
    log::Info("pull", "removing a pull that was given up: {}", it->path().string());
    std::error_code ignored;
    fs::remove_all(it->path(), ignored);
  }
}

}  // namespace

Result<PullTarget> ResolvePull(const std::string& text) {
  AX_ASSIGN_OR_RETURN(const store::Reference reference, store::ParseReference(text));
  const bool local = reference.source == store::Reference::Source::kLocal;
  AX_ASSIGN_OR_RETURN(const store::Name name, store::ParseName(local ? reference.name : text));
  const store::Name defaults;
  PullTarget target{name, "", name.tag};
  const bool hub = name.host == "hf.co" || name.host == "huggingface.co";
  if ((hub || name.host == defaults.host) && name.space != defaults.space) {
    target.repo = name.space + "/" + name.model;
    return target;
  }
  const CatalogEntry* entry =
      name.host == defaults.host ? FindInCatalog(name.model + ":" + name.tag) : nullptr;
  if (entry == nullptr) {
    return Fail(ErrorKind::kNotFound, "pull model manifest: file does not exist");
  }
  target.repo = entry->repo;
  target.variant = "latest";
  return target;
}

Puller::Puller(store::Store* store, fs::path folder, size_t streams)
    : store_(store), folder_(std::move(folder)), streams_(streams) {
  RemoveAbandoned(folder_);
}

Puller::~Puller() = default;

Result<std::shared_ptr<Puller::Shared>> Puller::Join(const PullTarget& target, bool insecure) {
  const std::string key = target.name.Key();
  std::unique_lock lock(mutex_);
  // One that was given up ends within a second; then this is a new one.
  left_.wait(lock, [&] {
    const auto it = jobs_.find(key);
    return it == jobs_.end() || it->second->job;
  });
  if (stopping_) return Fail(ErrorKind::kCancelled, "the server is ending");
  std::shared_ptr<Shared>& shared = jobs_[key];
  if (!shared) {
    shared = std::make_shared<Shared>();
    shared->job = std::make_unique<PullJob>(store_, folder_, streams_, target, insecure);
    shared->job->Start();
  } else if (shared->job->insecure() != insecure) {
    return Fail(ErrorKind::kConflict,
                target.name.Short() + " is being pulled with another \"insecure\": wait for that");
  }
  ++shared->clients;
  return shared;
}

void Puller::Leave(const std::string& key, const std::shared_ptr<Shared>& shared) {
  std::unique_ptr<PullJob> job;
  {
    std::lock_guard lock(mutex_);
    if (--shared->clients > 0) return;
    job = std::move(shared->job);
  }
  job.reset();  // ends it, if it has not ended
  std::lock_guard lock(mutex_);
  jobs_.erase(key);
  left_.notify_all();
}

Status Puller::Pull(const std::string& name, bool insecure,
                    const std::function<bool(const PullProgress&)>& sink,
                    const std::function<bool()>& gone) {
  const auto target = ResolvePull(name);
  if (!target) {
    // A model of one's own has nothing newer anywhere.
    if (target.error().kind != ErrorKind::kNotFound || !store_->Find(name)) {
      return Fail(target.error());
    }
    (void)(sink({"pulling manifest"}) && sink({"success"}));
    return {};
  }
  AX_ASSIGN_OR_RETURN(const auto shared, Join(*target, insecure));
  Status result = Fail(ErrorKind::kCancelled, "the client has gone");
  size_t seen = 0;
  uint64_t last_completed = 0;
  for (bool here = true; here && !gone();) {
    std::vector<PullProgress> news;
    const std::optional<Status> ended = shared->job->Watch(seen, &news);
    const size_t old = seen > 0 ? 1 : 0;
    for (size_t i = 0; here && i < news.size(); ++i) {
      if (i < old && news[i].completed == last_completed) continue;
      last_completed = news[i].completed;
      here = sink(news[i]);
    }
    seen += news.size() - old;
    if (here && ended) {
      result = *ended;
      break;
    }
  }
  Leave(target->name.Key(), shared);
  return result;
}

void Puller::BeginShutdown() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const auto& [key, shared] : jobs_) {
    if (shared->job) shared->job->Cancel();
  }
}

}  // namespace axollama::pull
