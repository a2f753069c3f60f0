#include "keys/keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/clock.h"
#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sha256.h"

namespace axollama::keys {
namespace {

constexpr size_t kMaxFileBytes = 1u << 20;
constexpr size_t kMaxNameBytes = 64;
constexpr size_t kHashDigits = 64;
constexpr std::string_view kPrefix = "axo_";  // so that a key is known for one wherever it turns up

struct ScopeName {
  Scope scope;
  std::string_view name;
};
constexpr ScopeName kScopes[] = {
    {kInference, "inference"}, {kManage, "manage"}, {kMetrics, "metrics"}};
constexpr unsigned kAll = kInference | kManage | kMetrics;

std::string Reason(int error) { return std::generic_category().message(error); }

bool GoodName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

bool GoodHash(std::string_view hash) {
  return hash.size() == kHashDigits && hash.find_first_not_of("0123456789abcdef") == hash.npos;
}

// Takes as long whichever byte differs.
bool SameHash(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

Result<std::string> NewSecret() {
  std::array<unsigned char, 32> random;
  size_t got = 0;
  while (got < random.size()) {
    const ssize_t n = getrandom(random.data() + got, random.size() - got, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Fail(ErrorKind::kIo, "no random bytes for a key: " + Reason(errno));
    got += static_cast<size_t>(n);
  }
  std::string secret(kPrefix);
  for (const unsigned char byte : random) secret += fmt::format("{:02x}", byte);
  return secret;
}

Result<Key> ParseKey(const json::Value& value) {
  if (!value.is_object()) return Fail(ErrorKind::kInvalid, "a key is no object");
  const json::Object& object = value.get_object();
  Key key;
  AX_ASSIGN_OR_RETURN(key.name, json::GetString(object, "name", ""));
  AX_ASSIGN_OR_RETURN(key.sha256, json::GetString(object, "sha256", ""));
  AX_ASSIGN_OR_RETURN(key.created_s, json::GetInt(object, "created", 0));
  AX_ASSIGN_OR_RETURN(const std::string scopes, json::GetString(object, "scopes", ""));
  AX_ASSIGN_OR_RETURN(key.scopes, ParseScopes(scopes));
  if (!GoodName(key.name) || !GoodHash(key.sha256)) {
    return Fail(ErrorKind::kInvalid, "a key has no proper \"name\" or \"sha256\"");
  }
  return key;
}

// Only its owner decides who may come in.
Status CheckOwner(const struct stat& info) {
  if ((info.st_uid == geteuid() || info.st_uid == 0) && (info.st_mode & 022) == 0) return {};
  return Fail(ErrorKind::kInvalid,
              "others may write to it: chown it to the server's user and "
              "chmod 600 it");
}

Status Write(const std::filesystem::path& path, const std::vector<Key>& keys) {
  json::Array list;
  for (const Key& key : keys) {
    list.push_back(json::Object{{"name", key.name},
                                {"scopes", FormatScopes(key.scopes)},
                                {"sha256", key.sha256},
                                {"created", key.created_s}});
  }
  return WriteFileAtomically(path, json::Write(json::Object{{"keys", std::move(list)}}) + "\n",
                             0600);
}

// Held while the file is read, changed and written. Gone with its descriptor.
class Lock {
 public:
  static Result<Lock> Take(const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    const std::string name = path.string() + ".lock";
    Lock lock(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock.fd_ < 0 || flock(lock.fd_, LOCK_EX) != 0) {
      return Fail(ErrorKind::kIo, fmt::format("cannot lock {}: {}", name, Reason(errno)));
    }
    return lock;
  }
  Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  explicit Lock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace

std::filesystem::path DefaultPath() { return HomeDir() / "keys.json"; }

Result<unsigned> ParseScopes(std::string_view text) {
  unsigned scopes = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view word = rest.substr(0, end);
    const auto* found = std::find_if(std::begin(kScopes), std::end(kScopes),
                                     [&](const ScopeName& scope) { return scope.name == word; });
    if (word == "all") {
      scopes = kAll;
    } else if (found != std::end(kScopes)) {
      scopes |= found->scope;
    } else {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("\"{}\" is no scope: inference, manage, metrics or all", word));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (scopes == 0) return Fail(ErrorKind::kInvalid, "no scope was given");
  return scopes;
}

std::string FormatScopes(unsigned scopes) {
  std::string out;
  for (const ScopeName& scope : kScopes) {
    if ((scopes & scope.scope) == 0) continue;
    if (!out.empty()) out += ',';
    out += scope.name;
  }
  return out;
}

Result<std::vector<Key>> Read(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& why) {
    return Fail(ErrorKind::kInvalid, fmt::format("{}: {}", path.string(), why));
  };
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::vector<Key>();
    return fail(Reason(errno));
  }
  if (const Status owner = CheckOwner(info); !owner) return fail(owner.error().message);
  AX_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(text, path.string()));
  const json::Value* list = json::Find(object, "keys");
  if (list == nullptr || !list->is_array()) return fail("it has no list \"keys\"");
  std::vector<Key> keys;
  for (const json::Value& value : list->get_array()) {
    auto key = ParseKey(value);
    if (!key) return fail(key.error().message);
    keys.push_back(std::move(*key));
  }
  return keys;
}

Result<std::string> Add(const std::filesystem::path& path, std::string_view name, unsigned scopes) {
  if (!GoodName(name)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("\"{}\" is no name for a key: 1 to {} letters, digits, '.', '_' or '-'",
                            name, kMaxNameBytes));
  }
  AX_ASSIGN_OR_RETURN(const Lock lock, Lock::Take(path));
  AX_ASSIGN_OR_RETURN(std::vector<Key> keys, Read(path));
  if (std::any_of(keys.begin(), keys.end(), [&](const Key& key) { return key.name == name; })) {
    return Fail(ErrorKind::kConflict, fmt::format("there is a key \"{}\" already", name));
  }
  AX_ASSIGN_OR_RETURN(std::string secret, NewSecret());
  keys.push_back({std::string(name), scopes, Sha256Hex(secret), WallNs() / 1'000'000'000});
  AX_RETURN_IF_ERROR(Write(path, keys));
  return secret;
}

Status Remove(const std::filesystem::path& path, std::string_view name) {
  AX_ASSIGN_OR_RETURN(const Lock lock, Lock::Take(path));
  AX_ASSIGN_OR_RETURN(std::vector<Key> keys, Read(path));
  if (std::erase_if(keys, [&](const Key& key) { return key.name == name; }) == 0) {
    return Fail(ErrorKind::kNotFound, fmt::format("there is no key \"{}\"", name));
  }
  return Write(path, keys);
}

void Keyring::Refresh() {
  struct stat now{};
  if (stat(path_.c_str(), &now) != 0) now = {};
  const bool same = read_ && now.st_ino == seen_.st_ino && now.st_size == seen_.st_size &&
                    now.st_mode == seen_.st_mode && now.st_uid == seen_.st_uid &&
                    now.st_ctim.tv_sec == seen_.st_ctim.tv_sec &&
                    now.st_ctim.tv_nsec == seen_.st_ctim.tv_nsec;
  if (same) return;
  read_ = true;
  seen_ = now;
  auto keys = Read(path_);
  readable_ = keys.has_value();
  if (readable_) {
    keys_ = std::move(*keys);
  } else {
    keys_.clear();
    log::Error("keys", "no key is accepted: {}", keys.error().message);
  }
}

Keyring::State Keyring::Check(std::string_view secret) {
  // Before the lock; what is no key at all need not be hashed, however long it is.
  const std::string hash =
      secret.starts_with(kPrefix) && secret.size() <= 256 ? Sha256Hex(secret) : std::string();
  const std::lock_guard lock(mutex_);
  Refresh();
  State state;
  state.any = !readable_ || !keys_.empty();
  for (const Key& key : keys_) {
    if (!SameHash(key.sha256, hash)) continue;
    state.scopes = key.scopes;
    state.name = key.name;
  }
  return state;
}

}  // namespace axollama::keys
