#include "pull/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <thread>

#include "base/log.h"

namespace axollama::pull {
namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 5;  // of what will hardly pass

// "bytes 0-99/200" as its three numbers.
struct ContentRange {
  uint64_t from = 0, to = 0, size = 0;
};
std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (text.substr(0, kUnit.size()) != kUnit) return std::nullopt;
  text.remove_prefix(kUnit.size());
  ContentRange range;
  for (const auto& [value, end] :
       {std::pair{&range.from, '-'}, {&range.to, '/'}, {&range.size, '\0'}}) {
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(stop - text.data()));
    if (end == '\0') return text.empty() ? std::optional(range) : std::nullopt;
    if (text.empty() || text.front() != end) return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

// Seconds; the other form, a date, is rare and passed over.
std::chrono::seconds RetryAfter(const net::FetchHead& head) {
  constexpr uint32_t kDay = 86'400;
  const std::string_view text = head.headers.Get("Retry-After");
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return std::chrono::seconds(std::min(seconds, kDay));
}

}  // namespace

struct Download::Item {
  explicit Item(const DownloadFile& file) : wanted(file) {}
  const DownloadFile& wanted;
  std::optional<PartialFile> partial;  // nullopt: complete
  size_t running = 0;                  // parts that threads work on
  bool verifying = false;
  bool no_ranges = false;   // the server sends this file whole or not at all
  bool begin_anew = false;  // when nobody works on it any more
  int begun_anew = 0;       // how often
  bool was_wrong = false;   // its digest, once, with bytes of an earlier try
};

Download::Download(fs::path folder, std::vector<DownloadFile> files, DownloadOptions options)
    : folder_(std::move(folder)), wanted_(std::move(files)), options_(std::move(options)) {}

Download::~Download() = default;

Status Download::Prepare() {
  for (const DownloadFile& file : wanted_) {
    auto item = std::make_unique<Item>(file);
    const fs::path path = folder_ / file.name;
    std::error_code error;
    if (fs::exists(path, error) && fs::file_size(path, error) == file.size_bytes) {
      completed_ += file.size_bytes;
    } else {
      AX_ASSIGN_OR_RETURN(PartialFile partial,
                          PartialFile::Open(path, file.size_bytes, options_.part_bytes));
      completed_ += partial.done_bytes();
      item->partial.emplace(std::move(partial));
    }
    items_.push_back(std::move(item));
  }
  return {};
}

Status Download::Run() {
  {
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < std::max<size_t>(options_.streams, 1); ++i) {
      AX_ASSIGN_OR_RETURN(auto fetcher, net::Fetcher::Create(options_.fetch));
      if (cancelled_) fetcher->Cancel();
      fetchers_.push_back(std::move(fetcher));
    }
  }
  std::vector<std::thread> threads;
  // Fewer threads than wanted bring it, too.
  for (const auto& fetcher : fetchers_) {
    try {
      threads.emplace_back([this, &fetcher] { Worker(fetcher.get()); });
    } catch (const std::system_error& e) {
      if (threads.empty()) {
        FailWith({ErrorKind::kUnavailable, fmt::format("no thread for a pull: {}", e.what())});
      }
      break;
    }
  }
  for (std::thread& thread : threads) thread.join();
  std::lock_guard lock(mutex_);
  if (error_) return Fail(*error_);
  if (cancelled_) return Fail(ErrorKind::kCancelled, "the download was cancelled");
  return {};
}

void Download::Cancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  for (const auto& fetcher : fetchers_) fetcher->Cancel();
  ended_.notify_all();
}

void Download::FailWith(Error error) {
  std::lock_guard lock(mutex_);
  if (!error_ && !cancelled_) error_ = std::move(error);
  for (const auto& fetcher : fetchers_) fetcher->Cancel();
  ended_.notify_all();
}

bool Download::Ended() {
  std::lock_guard lock(mutex_);
  return cancelled_ || error_.has_value();
}

// False when it has been waited long enough, or everything ended meanwhile.
bool Download::WaitOut(const Failure& failure, Waiting* waiting) {
  if (const uint64_t arrived = arrived_; arrived != waiting->arrived_bytes) {
    *waiting = {arrived};
  }
  const ErrorKind kind = failure.error.kind;
  const bool passes =
      kind == ErrorKind::kUnavailable || kind == ErrorKind::kTimeout || kind == ErrorKind::kIo;
  if (waiting->waited >= options_.patience || (!passes && waiting->failures + 1 >= kAttempts)) {
    return false;
  }
  // Doubled no more than it takes to reach any bound.
  const auto growing = options_.pause * (int64_t{1} << std::min(waiting->failures, 20));
  const auto pause = std::min(std::max(growing, failure.retry_after), options_.max_pause);
  ++waiting->failures;
  waiting->waited += pause;
  log::Info("pull", "{}; again in {} ms", failure.error.message, pause.count());
  std::unique_lock lock(mutex_);
  return !ended_.wait_for(lock, pause, [&] { return cancelled_ || error_.has_value(); });
}

// The next part that nobody works on. Waits while a file that others work on may yet have to begin
// anew; nothing when all is done, or cannot be.
std::optional<Download::Work> Download::Take() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (cancelled_ || error_) return std::nullopt;
    bool busy = false;
    for (const auto& item : items_) {
      if (!item->partial) continue;
      busy = busy || item->running > 0 || item->verifying;
      if (item->verifying || item->begin_anew) continue;
      std::vector<PartialFile::Part>& parts = item->partial->parts();
      for (size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].taken || (parts[i].done == parts[i].size && parts[i].size > 0)) continue;
        parts[i].taken = true;
        ++item->running;
        return Work{item.get(), i};
      }
      // Parts of an earlier process may be all there are.
      if (item->running == 0 && item->partial->done_bytes() == item->wanted.size_bytes) {
        parts[0].taken = true;
        ++item->running;
        return Work{item.get(), 0};
      }
    }
    if (!busy) return std::nullopt;
    ended_.wait(lock);
  }
}

void Download::Worker(net::Fetcher* fetcher) {
  while (const auto work = Take()) RunPart(fetcher, *work);
}

void Download::RunPart(net::Fetcher* fetcher, const Work& work) {
  PartialFile::Part& part = work.item->partial->parts()[work.part];
  Outcome outcome = Outcome::kDone;
  Failure failure;
  Waiting waiting{arrived_};
  while (part.done < part.size) {
    outcome = Try(fetcher, work, &failure);
    if (outcome != Outcome::kAgain) break;
    if (WaitOut(failure, &waiting)) continue;
    outcome = Outcome::kFatal;  // nobody hears it where all has ended
    break;
  }
  const bool last = EndPart(work, &outcome, &failure.error);
  if (outcome == Outcome::kFatal) return FailWith(std::move(failure.error));
  if (last) Complete(work.item);
}

// True when the file is there and shall be checked.
bool Download::EndPart(const Work& work, Outcome* outcome, Error* error) {
  std::lock_guard lock(mutex_);
  Item* const item = work.item;
  item->partial->parts()[work.part].taken = false;
  --item->running;
  if (*outcome == Outcome::kNoRanges) item->begin_anew = item->no_ranges = true;
  ended_.notify_all();
  if (item->running > 0 || cancelled_ || error_ || *outcome == Outcome::kFatal) return false;
  if (item->begin_anew) {
    item->begin_anew = false;
    completed_ -= item->partial->done_bytes();
    Status restarted = item->partial->Restart(true);
    if (!restarted) *error = std::move(restarted).error();
    if (!restarted || ++item->begun_anew > kAttempts) *outcome = Outcome::kFatal;
    return false;
  }
  item->verifying = item->partial->done_bytes() == item->wanted.size_bytes;
  return item->verifying;
}

Download::Outcome Download::Try(net::Fetcher* fetcher, const Work& work, Failure* failure) {
  *failure = {};
  Error* const error = &failure->error;
  Item* const item = work.item;
  PartialFile::Part& part = item->partial->parts()[work.part];
  const uint64_t from = part.begin + part.done, to = part.begin + part.size - 1;
  Outcome outcome = Outcome::kAgain;
  net::FetchRequest request;
  request.url = item->wanted.url;
  request.bearer = options_.bearer;
  request.max_body_bytes = to - from + 1;
  const bool whole = from == 0 && to + 1 == item->wanted.size_bytes;
  if (!whole) request.headers.Set("Range", fmt::format("bytes={}-{}", from, to));
  request.on_head = [&](const net::FetchHead& head) {
    failure->retry_after = RetryAfter(head);
    return CheckHead(head, work, from, to, &outcome);
  };
  request.on_body = [&](std::string_view bytes) -> Status {
    if (Status written = item->partial->Write(work.part, bytes); !written) {
      outcome = Outcome::kFatal;
      return written;
    }
    completed_ += bytes.size();
    arrived_ += bytes.size();
    return {};
  };
  Status status = fetcher->Run(request);
  if (Status saved = item->partial->SaveState(work.part); !saved) {
    *error = std::move(saved).error();
    return Outcome::kFatal;
  }
  if (status && part.done == part.size) return Outcome::kDone;
  if (status) {
    status = Fail(ErrorKind::kIo, "the server sent less than it announced");
  }
  *error = std::move(status).error();
  // What may not be asked will not be allowed the next time either.
  if (error->kind == ErrorKind::kInvalid) outcome = Outcome::kFatal;
  error->message = fmt::format("{}: {}", item->wanted.shown, error->message);
  return outcome;
}

Status Download::CheckHead(const net::FetchHead& head, const Work& work, uint64_t from, uint64_t to,
                           Outcome* outcome) const {
  const uint64_t size = work.item->wanted.size_bytes;
  const bool whole = from == 0 && to + 1 == size;
  if (head.status == 206) {
    const auto range = ParseContentRange(head.headers.Get("Content-Range"));
    if (!whole && range && range->from == from && range->to == to && range->size == size) return {};
    return Fail(ErrorKind::kInternal,
                fmt::format("{} sends another range than it was asked for", head.host));
  }
  if (head.status == 200) {
    if (!whole) {
      *outcome = Outcome::kNoRanges;
      return Fail(ErrorKind::kInternal, fmt::format("{} ignores ranges", head.host));
    }
    const std::string_view length = head.headers.Get("Content-Length");
    if (length.empty() || length == std::to_string(size)) return {};
    return Fail(ErrorKind::kInternal,
                fmt::format("{} sends {} bytes where {} were listed", head.host, length, size));
  }
  // Too many requests and the server's own troubles pass.
  if (head.status < 500 && head.status != 429 && head.status != 408) *outcome = Outcome::kFatal;
  return Fail(head.status == 404 ? ErrorKind::kNotFound : ErrorKind::kUnavailable,
              fmt::format("{} answers with status {}", head.host, head.status));
}

void Download::Complete(Item* item) {
  const fs::path part_path = (folder_ / item->wanted.name).string() + ".part";
  Status right = CheckDigest(part_path, item->wanted.digest, [this] { return Ended(); });
  if (right) right = item->partial->Finish();
  std::unique_lock lock(mutex_);
  item->verifying = false;
  if (right) {
    item->partial.reset();
    ended_.notify_all();
    return;
  }
  Error error = std::move(right).error();
  if (error.kind == ErrorKind::kCancelled) {
    ended_.notify_all();
    return;
  }
  if (error.kind == ErrorKind::kInternal && item->partial->resumed() && !item->was_wrong) {
    // Bytes of an earlier try may be what is wrong: once more from the beginning.
    item->was_wrong = true;
    completed_ -= item->wanted.size_bytes;
    if (item->partial->Restart(item->no_ranges)) {
      ended_.notify_all();
      return;
    }
  }
  if (error.kind == ErrorKind::kInternal) item->partial->Remove();
  lock.unlock();
  error.message = fmt::format("{}: {}", item->wanted.shown, error.message);
  FailWith(std::move(error));
}

}  // namespace axollama::pull
