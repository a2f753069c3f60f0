// Brings models from the Hugging Face hub into the store: POST /api/pull.
//
// `hf.co/ORG/REPO[:VARIANT]`, `ORG/REPO[:VARIANT]`, or a name of the catalog (`qwen3:0.6b`). What a
// killed or cancelled pull has brought stays in `folder` for a week, and the next one goes on from
// there; a model is listed when it is whole and its digests were right.
// Owner: the server. Threads: any.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "pull/job.h"
#include "store/store.h"

namespace axollama::pull {

// Ollama's `invalid model name`, or kNotFound with its `pull model manifest: file does not exist`
// for a name that neither is a repository nor stands in the catalog.
Result<PullTarget> ResolvePull(const std::string& name);

class Puller {
 public:
  // `folder` is on the store's file system. `streams` parts at a time.
  Puller(store::Store* store, std::filesystem::path folder, size_t streams);
  ~Puller();  // Pull has returned everywhere

  // Waits for the model. `sink` gets lines of progress and is false when the client has gone;
  // `gone` is asked four times a second.
  Status Pull(const std::string& name, bool insecure,
              const std::function<bool(const PullProgress&)>& sink,
              const std::function<bool()>& gone);
  // Ends every pull, now and later, with kCancelled.
  void BeginShutdown();

 private:
  struct Shared {
    std::unique_ptr<PullJob> job;  // nullptr: it is ending, and nobody may join
    size_t clients = 0;
  };
  Result<std::shared_ptr<Shared>> Join(const PullTarget& target, bool insecure);
  void Leave(const std::string& key, const std::shared_ptr<Shared>& shared);

  store::Store* const store_;
  const std::filesystem::path folder_;
  const size_t streams_;
  std::mutex mutex_;
  std::condition_variable left_;
  bool stopping_ = false;
  std::map<std::string, std::shared_ptr<Shared>> jobs_;  // by the name's key
};

}  // namespace axollama::pull
