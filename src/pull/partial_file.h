// A file that is being downloaded: its bytes so far, and which they are.
//
// `NAME.part` has the file's full size with holes; `NAME.state` says for each part of it how many
// bytes are there, so that a killed process's successor goes on where it was. A file is `NAME` only
// when its digest was right. What a power cut leaves wrong, the digest finds.
// Owner: Download. Threads: each part belongs to one thread at a time; the rest is under the
// owner's lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::pull {

// One of the two is there.
struct Digest {
  std::string sha256;    // hex; "" for none
  std::string git_sha1;  // of git's blob, hex; "" for none
};

// The digest of a file's content, of the same kind as `wanted`, compared; kInternal when they
// differ. `ended` is asked every quarter of a MiB, and true ends it with kCancelled.
Status CheckDigest(const std::filesystem::path& path, const Digest& wanted,
                   const std::function<bool()>& ended);

class PartialFile {
 public:
  struct Part {
    uint64_t begin = 0, size = 0;
    uint64_t done = 0;
    uint64_t saved = 0;  // of `done`, what the state file says
    bool taken = false;  // by a thread
  };

  // Takes up what an earlier process left, if it belongs to the same size and parts.
  static Result<PartialFile> Open(const std::filesystem::path& path, uint64_t size_bytes,
                                  uint64_t part_bytes);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&& other) = delete;
  ~PartialFile();

  std::vector<Part>& parts() { return parts_; }
  uint64_t done_bytes() const;
  bool resumed() const { return resumed_; }

  // Appends to a part. Its state is written now and then, and by SaveState.
  Status Write(size_t part, std::string_view bytes);
  Status SaveState(size_t part);
  // Throws away what there is; with `whole`, the file is one part from now on.
  Status Restart(bool whole);
  // Syncs it and gives it its name.
  Status Finish();
  void Remove();

 private:
  explicit PartialFile(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path PartPath() const { return path_.string() + ".part"; }
  std::filesystem::path StatePath() const { return path_.string() + ".state"; }
  void MakeParts(uint64_t part_bytes);
  bool LoadState();
  Status WriteState();

  std::filesystem::path path_;
  uint64_t size_bytes_ = 0;
  std::vector<Part> parts_;
  int data_ = -1, state_ = -1;
  bool resumed_ = false;
};

}  // namespace axollama::pull
