// One pull at work: a thread that brings a model, and whoever waits for it.
//
// Several clients that want the same model share one job; it ends when nobody waits any more, and
// what it has stays on the disk for the next try.
// Owner: Puller. Threads: see each member.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "pull/download.h"
#include "pull/hub.h"
#include "store/name.h"
#include "store/store.h"

namespace axollama::pull {

// Which repository is meant by a name, and which of its variants.
struct PullTarget {
  store::Name name;     // what the model will be called
  std::string repo;     // "AXERA-TECH/Qwen3-0.6B"
  std::string variant;  // "latest", or a folder in it
};

// One line of progress, as Ollama has them.
struct PullProgress {
  std::string status;
  std::string digest;  // "sha256:..."; "": the line has no bytes
  uint64_t total = 0, completed = 0;
};

class PullJob {
 public:
  PullJob(store::Store* store, std::filesystem::path folder, size_t streams, PullTarget target,
          bool insecure);
  ~PullJob();  // Cancel, and waits

  bool insecure() const { return insecure_; }
  void Start();
  void Cancel();
  // Waits up to a quarter of a second for news after the first `seen` steps, then has the steps
  // from there on, the last of them maybe with more bytes than before. The status, once it ended.
  std::optional<Status> Watch(size_t seen, std::vector<PullProgress>* news);

 private:
  Status Run();
  Status Bring(const Hub& hub, const HubRepo& repo);
  Status Fetch(const Hub& hub, const std::filesystem::path& blobs, std::vector<DownloadFile> files,
               uint64_t total);
  Result<std::optional<std::filesystem::path>> AlreadyThere(const std::string& digest) const;
  void Step(std::string status, std::string digest = "", uint64_t total = 0);
  void Completed(uint64_t bytes);  // of the last step
  // What Cancel calls; nullptr for nothing. kCancelled when it is too late.
  Status SetCanceller(std::function<void()> cancel);

  store::Store* const store_;
  const std::filesystem::path folder_;  // of all pulls
  const size_t streams_;
  const PullTarget target_;
  const bool insecure_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<PullProgress> steps_;
  Download* download_ = nullptr;  // its bytes are the last step's
  std::function<void()> cancel_;
  bool cancelled_ = false;
  std::optional<Status> ended_;
  std::thread thread_;
};

}  // namespace axollama::pull
