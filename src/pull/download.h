// Brings files from one server into a folder: several parts at a time, resumed where an earlier try
// ended, and given their names only when their digests are right.
//
// Lost connections, silence and a server's own troubles are waited out, ever longer, until no byte
// of any file has come for `patience`; a Retry-After in seconds is heeded up to `max_pause`.
// Answers that make no sense are asked for again five times in a row. A server that ignores ranges
// gets its files in one piece. Parts that are there stay when it fails or is cancelled. Owner: the
// caller; the folder is its alone. Threads: Run on one; Cancel and completed_bytes on any.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/fetch.h"
#include "pull/partial_file.h"

namespace axollama::pull {

struct DownloadFile {
  std::string name;  // in the folder
  std::string url;
  std::string shown;  // for errors: "qwen3_post.axmodel"
  uint64_t size_bytes = 0;
  Digest digest;
};

struct DownloadOptions {
  net::FetchOptions fetch;
  std::string bearer;
  size_t streams = 4;
  uint64_t part_bytes = 64u << 20;
  std::chrono::milliseconds pause{100};  // after a failure; twice as long after each further one
  std::chrono::milliseconds max_pause{30'000};
  std::chrono::milliseconds patience{180'000};  // sum of the pauses of a part without a byte
};

class Download {
 public:
  Download(std::filesystem::path folder, std::vector<DownloadFile> files, DownloadOptions options);
  ~Download();

  // Takes up what is in the folder: completed_bytes is known after it, and Run may begin.
  Status Prepare();
  Status Run();
  void Cancel();
  uint64_t completed_bytes() const { return completed_; }

 private:
  struct Item;
  struct Work {
    Item* item = nullptr;
    size_t part = 0;
  };
  enum class Outcome { kDone, kAgain, kNoRanges, kFatal };
  struct Failure {
    Error error;
    std::chrono::milliseconds retry_after{0};  // as the server asks; 0: it does not
  };
  // Of a part, since the last byte of any.
  struct Waiting {
    uint64_t arrived_bytes = 0;
    int failures = 0;
    std::chrono::milliseconds waited{0};
  };

  void Worker(net::Fetcher* fetcher);
  std::optional<Work> Take();
  void RunPart(net::Fetcher* fetcher, const Work& work);
  Outcome Try(net::Fetcher* fetcher, const Work& work, Failure* failure);
  Status CheckHead(const net::FetchHead& head, const Work& work, uint64_t from, uint64_t to,
                   Outcome* outcome) const;
  bool WaitOut(const Failure& failure, Waiting* waiting);
  bool EndPart(const Work& work, Outcome* outcome, Error* error);
  void Complete(Item* item);
  void FailWith(Error error);
  bool Ended();

  const std::filesystem::path folder_;
  const std::vector<DownloadFile> wanted_;
  const DownloadOptions options_;
  std::vector<std::unique_ptr<Item>> items_;
  std::vector<std::unique_ptr<net::Fetcher>> fetchers_;
  std::atomic<uint64_t> completed_{0};
  std::atomic<uint64_t> arrived_{0};  // also what was thrown away again

  std::mutex mutex_;
  std::condition_variable ended_;
  bool cancelled_ = false;
  std::optional<Error> error_;  // the first that ends it all
};

}  // namespace axollama::pull
