// Files named by the SHA-256 of their content: `blobs/sha256-<hex>`, as Ollama keeps them.
//
// Owner: whoever holds a Blobs or a BlobWriter; plain values. Threads: one at a time per writer;
// several writers, also of the same blob and in several processes, do not harm each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/sha256.h"

namespace axollama::store {

// A blob that comes in pieces. Nothing of it is there before Commit; the destructor removes what
// was written.
class BlobWriter {
 public:
  BlobWriter(BlobWriter&& other) noexcept;
  BlobWriter& operator=(BlobWriter&& other) = delete;
  ~BlobWriter();
  Status Append(std::string_view bytes);
  // Syncs and renames it, if its SHA-256 is `digest`; otherwise Ollama's
  // `digest mismatch, expected "sha256:..", got "sha256:.."`.
  Status Commit(std::string_view digest);

 private:
  friend class Blobs;
  BlobWriter(const std::filesystem::path& folder, std::string file, int fd)
      : folder_(folder), file_(std::move(file)), fd_(fd) {}

  std::filesystem::path folder_;
  std::string file_;  // empty: nothing to remove
  int fd_;
  Sha256 sum_;
};

// Digests are 64 lower-case hex digits (ParseDigest of manifest.h).
class Blobs {
 public:
  // `temporary` is on the same file system. Both folders are made when something is written.
  Blobs(std::filesystem::path folder, std::filesystem::path temporary)
      : folder_(std::move(folder)), temporary_(std::move(temporary)) {}

  std::filesystem::path PathOf(std::string_view digest) const;
  // One that is there counts as new again, so that Prune leaves it to who asked.
  bool Has(std::string_view digest) const;
  Result<BlobWriter> Begin() const;
  // A short one. Whether it had to be written is told by *is_new; its digest is returned.
  Result<std::string> Put(std::string_view content, bool* is_new) const;
  // A short one, checked against its digest.
  Result<std::string> Read(std::string_view digest) const;
  void Remove(std::string_view digest) const;
  // Removes blobs that are older than an hour and that nobody wants.
  void Prune(const std::function<bool(const std::string& digest)>& wanted) const;

 private:
  std::filesystem::path folder_, temporary_;
};

}  // namespace axollama::store
