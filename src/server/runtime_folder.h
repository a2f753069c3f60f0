// This server's own folder below RuntimeDir(): sockets and progress pages of its children.
//
// `RUNTIME/serve-PID/`, mode 0700, held by an flock on its file `lock`, which dies with its holder.
// Folders whose holder is gone are removed when a server starts, after the runners named in them
// have ended (they notice the end of their lifeline; after a while they are killed).
// Owner: ServeMain. Threads: NewRunner and Forget from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "server/child.h"

namespace axollama::server {

class RuntimeFolder {
 public:
  // Makes RuntimeDir() and the folder in it. Waits at most `patience` for the runners of servers
  // that died before it kills them.
  static Result<std::unique_ptr<RuntimeFolder>> Open(const std::filesystem::path& runtime_dir,
                                                     std::chrono::milliseconds patience);
  ~RuntimeFolder();  // removes the folder

  struct RunnerFiles {
    std::string socket;  // short enough for a Unix socket's address
    std::filesystem::path progress;
    std::filesystem::path pid;
  };
  RunnerFiles NewRunner();
  // So that the next server knows whom to wait for, should this one die.
  void NotePid(const RunnerFiles& files, pid_t pid);
  void Forget(const RunnerFiles& files);

  // What a card's memory held beside our models, and with them, so that the next server can tell
  // what this one left behind, should both it and its runners be killed, from others' memory.
  struct CardMemory {
    uint64_t before_bytes = 0;
    uint64_t ours_bytes = 0;
  };
  void NoteCard(const std::string& uid, CardMemory memory);
  // The memory of the models that other living servers have on it.
  uint64_t OthersOn(const std::string& uid) const;
  // Whether some process loads a model onto it at this moment: it holds the card's lease, a lock on
  // the file card-UID.lease in the runtime folder.
  bool LoadUnderWay(const std::string& uid) const;
  // What servers that died noted last.
  std::optional<CardMemory> LeftBehind(const std::string& uid) const;

 private:
  RuntimeFolder() = default;

  std::filesystem::path folder_;
  std::filesystem::path socket_folder_;  // folder_, or a short one of its own below /tmp
  Fd lock_;
  std::atomic<uint32_t> next_{1};
  std::map<std::string, CardMemory> left_behind_;  // by uid; constant after Open
};

}  // namespace axollama::server
