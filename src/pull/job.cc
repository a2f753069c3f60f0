#include "pull/job.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "base/disk_room.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sha256.h"
#include "bundle/bundle.h"
#include "pull/bundle_files.h"

namespace axollama::pull {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kNews{250};
// In a model's folder: which repository and files it was made of.
constexpr const char* kRecord = ".axollama-pull.json";
constexpr size_t kMaxRecordBytes = 1u << 20;

std::string BlobName(const HubFile& file) {
  if (!file.sha256.empty()) return "sha256-" + file.sha256;
  return "git-" + file.git_sha1;
}

// Of the whole set: equal for equal files.
std::string DigestOf(const BundleFiles& files) {
  std::string text;
  for (const WantedFile& file : files.files) {
    text += fmt::format("{} {} {}\n", file.local, file.remote.size_bytes, BlobName(file.remote));
  }
  return Sha256Hex(text);
}

Status MakeFolders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return {};
  return Fail(ErrorKind::kIo, fmt::format("cannot make {}: {}", folder.string(), error.message()));
}

// Keeps other processes out of a folder as long as it lives.
class FolderLock {
 public:
  static Result<FolderLock> Take(const fs::path& folder) {
    const std::string path = (folder / "lock").string();
    FolderLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (lock.fd_ < 0) {
      return Fail(ErrorKind::kIo,
                  fmt::format("cannot open {}: {}", path, std::generic_category().message(errno)));
    }
    if (flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
      return Fail(ErrorKind::kConflict, "another process is pulling this model: wait for it");
    }
    return lock;
  }
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

// What an earlier listing wanted and this one does not.
void RemoveStrangers(const fs::path& folder, const std::vector<DownloadFile>& files) {
  std::set<std::string> wanted = {"lock"};
  for (const DownloadFile& file : files) {
    for (const char* end : {"", ".part", ".state"}) wanted.insert(file.name + end);
  }
  std::error_code error;
  for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code ignored;
    if (!wanted.contains(it->path().filename().string())) fs::remove(it->path(), ignored);
  }
}

// Some mirrors send the pointer in place of a large file.
Status RefusePointer(const fs::path& path, const WantedFile& file) {
  constexpr std::string_view kPointer = "version https://git-lfs.github.com/spec/v1";
  if (file.remote.size_bytes > 1024) return {};
  AX_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1024));
  if (text.rfind(kPointer, 0) != 0) return {};
  return Fail(ErrorKind::kInvalid,
              fmt::format("{} is a Git LFS pointer, not the file itself: pull from another mirror",
                          file.remote.path));
}

Status PutTogether(const fs::path& blobs, const BundleFiles& files, const HubRepo& repo,
                   const std::string& digest, const fs::path& folder) {
  for (const WantedFile& file : files.files) {
    const fs::path from = blobs / BlobName(file.remote), to = folder / file.local;
    AX_RETURN_IF_ERROR(RefusePointer(from, file));
    AX_RETURN_IF_ERROR(MakeFolders(to.parent_path()));
    std::error_code error;
    fs::create_hard_link(from, to, error);
    // A file system without links: the blob becomes the file, or a copy where two files share it.
    if (error) fs::copy_file(from, to, error);
    if (error) {
      return Fail(ErrorKind::kIo, fmt::format("cannot make {}: {}", to.string(), error.message()));
    }
  }
  const json::Object record = {{"repo", repo.repo}, {"commit", repo.commit}, {"digest", digest}};
  return WriteFileAtomically(folder / kRecord, json::Write(record) + "\n");
}

}  // namespace

PullJob::PullJob(store::Store* store, fs::path folder, size_t streams, PullTarget target,
                 bool insecure)
    : store_(store),
      folder_(std::move(folder)),
      streams_(streams),
      target_(std::move(target)),
      insecure_(insecure) {}

PullJob::~PullJob() {
  Cancel();
  if (thread_.joinable()) thread_.join();
}

void PullJob::Start() try {
  thread_ = std::thread([this] {
    Status status = Run();
    std::lock_guard lock(mutex_);
    ended_ = std::move(status);
    changed_.notify_all();
  });
} catch (const std::system_error& e) {
  ended_ = Fail(ErrorKind::kUnavailable, fmt::format("no thread for a pull: {}", e.what()));
}

void PullJob::Cancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (cancel_) cancel_();
}

Status PullJob::SetCanceller(std::function<void()> cancel) {
  std::lock_guard lock(mutex_);
  if (cancel && cancelled_) return Fail(ErrorKind::kCancelled, "the pull was cancelled");
  cancel_ = std::move(cancel);
  return {};
}

void PullJob::Step(std::string status, std::string digest, uint64_t total) {
  std::lock_guard lock(mutex_);
  steps_.push_back({std::move(status), std::move(digest), total, 0});
  changed_.notify_all();
}

std::optional<Status> PullJob::Watch(size_t seen, std::vector<PullProgress>* news) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kNews, [&] { return steps_.size() > seen || ended_.has_value(); });
  if (download_ != nullptr) steps_.back().completed = download_->completed_bytes();
  // The last one that was seen comes again: its bytes may have grown.
  const size_t first = seen == 0 ? 0 : seen - 1;
  news->assign(steps_.begin() + static_cast<std::ptrdiff_t>(first), steps_.end());
  return ended_;
}

Status PullJob::Run() {
  Step("pulling manifest");
  AX_ASSIGN_OR_RETURN(const Hub hub, Hub::FromEnvironment());
  AX_ASSIGN_OR_RETURN(const auto fetcher, net::Fetcher::Create(hub.FetchOptions(insecure_)));
  AX_RETURN_IF_ERROR(SetCanceller([&] { fetcher->Cancel(); }));
  const auto repo = ListRepo(*fetcher, hub, target_.repo);
  AX_RETURN_IF_ERROR(SetCanceller(nullptr));
  if (!repo) return Fail(repo.error());
  return Bring(hub, *repo);
}

// A model that was made of the very same files, by whatever name.
Result<std::optional<fs::path>> PullJob::AlreadyThere(const std::string& digest) const {
  for (const store::Model& model : store_->List()) {
    if (!model.stored) continue;
    const auto text = ReadFile(model.folder / kRecord, kMaxRecordBytes);
    if (!text) continue;
    const auto record = json::ParseObject(*text, kRecord);
    if (!record || json::GetString(*record, "digest", "").value_or("") != digest) continue;
    if (bundle::Open(model.folder)) return model.folder;
  }
  return std::nullopt;
}

void PullJob::Completed(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  steps_.back().completed = bytes;
}

Status PullJob::Fetch(const Hub& hub, const fs::path& blobs, std::vector<DownloadFile> files,
                      uint64_t total) {
  DownloadOptions options;
  options.fetch = hub.FetchOptions(insecure_);
  options.bearer = hub.token;
  options.streams = streams_;
  Download download(blobs, std::move(files), options);
  AX_RETURN_IF_ERROR(download.Prepare());
  AX_RETURN_IF_ERROR(
      CheckDiskRoom(folder_, total - std::min(total, download.completed_bytes()), "the model"));
  AX_RETURN_IF_ERROR(SetCanceller([&] { download.Cancel(); }));
  {
    std::lock_guard lock(mutex_);
    download_ = &download;
  }
  Status downloaded = download.Run();
  {
    std::lock_guard lock(mutex_);
    download_ = nullptr;
    cancel_ = nullptr;
  }
  Completed(download.completed_bytes());
  return downloaded;
}

Status PullJob::Bring(const Hub& hub, const HubRepo& repo) {
  AX_ASSIGN_OR_RETURN(const BundleFiles files, ChooseBundle(repo, target_.variant));
  const auto say = [this](const std::string& status) { Step(status); };
  // Files of equal content are brought once.
  std::map<std::string, DownloadFile> by_name;
  for (const WantedFile& file : files.files) {
    if (file.remote.sha256.empty() && file.remote.git_sha1.empty()) {
      return Fail(
          ErrorKind::kInvalid,
          fmt::format("{} has no digest in the list of files, so nothing would tell that it "
                      "is whole: pull from another mirror",
                      file.remote.path));
    }
    DownloadFile one{BlobName(file.remote),
                     FileUrl(hub, repo, file.remote.path),
                     file.remote.path,
                     file.remote.size_bytes,
                     {file.remote.sha256, file.remote.git_sha1}};
    by_name.emplace(one.name, std::move(one));
  }
  const std::string digest = DigestOf(files);
  uint64_t total = 0;
  std::vector<DownloadFile> wanted;
  for (auto& [name, file] : by_name) {
    total += file.size_bytes;
    wanted.push_back(std::move(file));
  }
  AX_ASSIGN_OR_RETURN(const auto there, AlreadyThere(digest));
  Step("pulling " + digest.substr(0, 12), "sha256:" + digest, total);
  if (there) {
    Completed(total);
    AX_RETURN_IF_ERROR(store_->Write(target_.name, *there, {}, "", say));
    Step("success");
    return {};
  }

  const fs::path blobs = folder_ / Sha256Hex(repo.repo + ":" + files.variant).substr(0, 16);
  AX_RETURN_IF_ERROR(MakeFolders(blobs));
  AX_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::Take(blobs));
  RemoveStrangers(blobs, wanted);
  AX_RETURN_IF_ERROR(Fetch(hub, blobs, std::move(wanted), total));

  Step("verifying sha256 digest");
  AX_ASSIGN_OR_RETURN(const store::WorkFolder work, store_->MakeWorkFolder());
  const fs::path folder = work.path() / "model";
  AX_RETURN_IF_ERROR(PutTogether(blobs, files, repo, digest, folder));
  if (const auto opened = bundle::Open(folder); !opened) {
    std::error_code ignored;
    fs::remove_all(blobs, ignored);  // the next try would end here too
    return Fail(opened.error().kind,
                fmt::format("{} is no model that can run: {}", repo.repo, opened.error().message));
  }
  AX_ASSIGN_OR_RETURN(const fs::path place, store_->Adopt(folder));
  AX_RETURN_IF_ERROR(store_->Write(target_.name, place, {}, "", say));
  std::error_code ignored;
  fs::remove_all(blobs, ignored);
  log::Info("pull", "{} is {} at {}", target_.name.Short(), repo.repo, repo.commit);
  Step("success");
  return {};
}

}  // namespace axollama::pull
