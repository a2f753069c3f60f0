// API keys: who may use a server from where it would otherwise be refused.
//
// The file ($AXOLLAMA_HOME/keys.json, mode 0600) holds names, scopes and the SHA-256 of each key,
// never a key. A key is 256 random bits, so a plain hash hides it as well as a slow one: there is
// nothing to guess, and a check costs a microsecond.
//
// Owner: Keyring belongs to the server; the functions are for the command line.
// Threads: Keyring: any. Functions: any; two programs that change the file wait for each other.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::keys {

// What a key is for; bits.
enum Scope : unsigned {
  kInference = 1,  // ask models, list them
  kManage = 2,     // pull, create, delete, copy, load, unload, reset
  kMetrics = 4,    // look at the server's figures
};

struct Key {
  std::string name;
  unsigned scopes = 0;
  std::string sha256;     // of the whole key, 64 hex digits
  int64_t created_s = 0;  // since 1970
};

std::filesystem::path DefaultPath();  // $AXOLLAMA_HOME/keys.json

// "inference,manage" or "all". kInvalid names what is none.
Result<unsigned> ParseScopes(std::string_view text);
std::string FormatScopes(unsigned scopes);

// No file: no keys. A file that others may write, or that is damaged, is an error.
Result<std::vector<Key>> Read(const std::filesystem::path& path);

// Makes a key and returns it: the only time that it is seen. A name that is taken is kConflict; one
// that is not 1 to 64 letters, digits, `.`, `_`, `-` kInvalid.
Result<std::string> Add(const std::filesystem::path& path, std::string_view name, unsigned scopes);
// kNotFound when there is no such key.
Status Remove(const std::filesystem::path& path, std::string_view name);

// The keys as the server sees them; the file is read again when it changed.
class Keyring {
 public:
  explicit Keyring(std::filesystem::path path) : path_(std::move(path)) {}

  struct State {
    bool any = false;                // there are keys, or a file of which that cannot be said
    std::optional<unsigned> scopes;  // of the key that was shown, if it is one
    std::string name;                // its name
  };
  // `secret` may be empty: none was shown.
  State Check(std::string_view secret);

 private:
  void Refresh();

  const std::filesystem::path path_;
  std::mutex mutex_;
  bool read_ = false;
  struct stat seen_{};
  bool readable_ = true;
  std::vector<Key> keys_;
};

}  // namespace axollama::keys
