#include "server/warden_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"
#include "base/log.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxAnswerBytes = 1 << 20;

std::optional<double> Number(const json::Object& object, std::string_view key) {
  if (json::Find(object, key) == nullptr) return {};
  const auto value = json::GetDouble(object, key, 0);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<uint64_t> Bytes(const json::Object& object, std::string_view key) {
  if (json::Find(object, key) == nullptr) return {};
  const auto value = json::GetInt(object, key, -1);
  return value && *value >= 0 ? std::optional(static_cast<uint64_t>(*value)) : std::nullopt;
}

ErrorKind KindOf(const std::string& name) {
  if (name == "unavailable") return ErrorKind::kUnavailable;
  if (name == "not_found") return ErrorKind::kNotFound;
  if (name == "timeout") return ErrorKind::kTimeout;
  if (name == "invalid") return ErrorKind::kInvalid;
  return ErrorKind::kDevice;
}

}  // namespace

Result<CardProperties> ParseCardProperties(const json::Object& answer) {
  CardProperties out;
  AX_ASSIGN_OR_RETURN(out.backend, json::GetString(answer, "backend", ""));
  AX_ASSIGN_OR_RETURN(out.library, json::GetString(answer, "library", ""));
  if (const json::Value* cards = json::Find(answer, "cards"); cards && cards->is_array()) {
    for (const json::Value& card : cards->get_array()) {
      if (card.is_int64()) out.cards.push_back(card.get_int64());
    }
  }
  const json::Value* value = json::Find(answer, "properties");
  if (value == nullptr || !value->is_object()) {
    return Fail(ErrorKind::kInternal, "the warden's answer has no properties");
  }
  const json::Object& properties = value->get_object();
  AX_ASSIGN_OR_RETURN(out.id, json::GetInt(properties, "id", 0));
  AX_ASSIGN_OR_RETURN(out.uid, json::GetString(properties, "uid", ""));
  AX_ASSIGN_OR_RETURN(out.firmware, json::GetString(properties, "firmware", ""));
  AX_ASSIGN_OR_RETURN(out.pci, json::GetString(properties, "pci", ""));
  out.temperature_c = Number(properties, "temperature_c");
  out.npu_percent = Number(properties, "npu_percent");
  out.cpu_percent = Number(properties, "cpu_percent");
  out.cmm_total_bytes = Bytes(properties, "cmm_total_bytes");
  out.cmm_free_bytes = Bytes(properties, "cmm_free_bytes");
  return out;
}

WardenClient::WardenClient(Options options) : options_(std::move(options)) {}

WardenClient::~WardenClient() { End(); }

void WardenClient::End() {
  std::lock_guard lock(asking_);
  EndLocked();
}

void WardenClient::EndLocked() {
  // The end of its lifeline ends it; a warden that hangs in the library is killed.
  lifeline_.Reset();
  questions_.Reset();
  if (child_ && !child_->WaitFor(milliseconds(1500))) child_->Signal(SIGKILL);
  child_.reset();
  answers_.Reset();
  buffer_.clear();
}

void WardenClient::UseCard(std::optional<int64_t> device_id) {
  std::lock_guard lock(asking_);
  EndLocked();
  options_.device_id = device_id;
}

Status WardenClient::StartWarden() {
  EndLocked();
  AX_ASSIGN_OR_RETURN(Pipe in, Pipe::Make());
  AX_ASSIGN_OR_RETURN(Pipe out, Pipe::Make());
  AX_ASSIGN_OR_RETURN(Pipe life, Pipe::Make());
  ChildOptions child;
  child.program = options_.program;
  child.arguments = {"axollama", "warden", "--lifeline-fd", "3"};
  if (!options_.device.empty()) {
    child.arguments.insert(child.arguments.end(), {"--device", options_.device});
  }
  if (options_.device_id) {
    child.arguments.insert(child.arguments.end(),
                           {"--device-id", std::to_string(*options_.device_id)});
  }
  child.stdin_fd = in.read.get();
  child.stdout_fd = out.write.get();
  child.descriptors = {life.read.get()};
  AX_ASSIGN_OR_RETURN(child_, Child::Start(std::move(child)));
  questions_ = std::move(in.write);
  answers_ = std::move(out.read);
  lifeline_ = std::move(life.write);
  fcntl(questions_.get(), F_SETFL, O_NONBLOCK);
  return {};
}

Result<std::string> WardenClient::ReadAnswer(milliseconds limit) {
  const int64_t deadline_ns = MonotonicNs() + std::chrono::nanoseconds(limit).count();
  for (;;) {
    if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (buffer_.size() > kMaxAnswerBytes) {
      return Fail(ErrorKind::kInternal, "the warden's answer is too long");
    }
    const int64_t left_ms = (deadline_ns - MonotonicNs()) / 1'000'000;
    if (left_ms <= 0) {
      return Fail(ErrorKind::kTimeout,
                  fmt::format("the card's warden did not answer within {} s: the device library "
                              "hangs",
                              limit.count() / 1000));
    }
    pollfd wanted{answers_.get(), POLLIN, 0};
    poll(&wanted, 1, static_cast<int>(left_ms));
    if (wanted.revents == 0) continue;
    char chunk[4096];
    const ssize_t got = read(answers_.get(), chunk, sizeof(chunk));
    if (got > 0) {
      buffer_.append(chunk, static_cast<size_t>(got));
    } else if (got == 0) {
      child_->WaitFor(milliseconds(2000));
      const std::string words = child_->last_error();
      return Fail(ErrorKind::kUnavailable,
                  words.empty() ? "the card's warden has ended: " + child_->EndText() : words);
    } else if (errno != EINTR) {
      return Fail(ErrorKind::kIo, "cannot read the warden's answer");
    }
  }
}

Result<json::Object> WardenClient::Ask(std::string_view operation, milliseconds limit) {
  std::lock_guard lock(asking_);
  if (!child_ || child_->exited()) AX_RETURN_IF_ERROR(StartWarden());
  const int64_t id = next_id_++;
  const std::string question = fmt::format("{{\"id\":{},\"op\":\"{}\"}}\n", id, operation);
  if (write(questions_.get(), question.data(), question.size()) !=
      static_cast<ssize_t>(question.size())) {
    const std::string words = child_->last_error();
    EndLocked();
    return Fail(ErrorKind::kUnavailable, words.empty() ? "the card's warden has ended" : words);
  }
  auto line = ReadAnswer(limit);
  if (!line) {
    EndLocked();
    return Fail(line.error());
  }
  auto answer = json::ParseObject(*line, "the warden's answer");
  if (!answer || json::GetInt(*answer, "id", -1).value_or(-1) != id) {
    EndLocked();
    return Fail(ErrorKind::kInternal,
                "the card's warden broke its protocol: " + line->substr(0, 200));
  }
  if (!json::GetBool(*answer, "ok", false).value_or(false)) {
    return Fail(KindOf(json::GetString(*answer, "kind", "").value_or("")),
                json::GetString(*answer, "error", "").value_or("the card's warden failed"));
  }
  return std::move(*answer);
}

std::optional<Result<CardProperties>> WardenClient::Known(int64_t since_ns, bool failures) const {
  std::lock_guard lock(cache_mutex_);
  if (cache_valid_ && cache_ns_ >= since_ns) return Result<CardProperties>(*cache_);
  if (failures && failure_ns_ >= since_ns) return Result<CardProperties>(Fail(failure_));
  return std::nullopt;
}

Result<CardProperties> WardenClient::Properties(milliseconds max_age) {
  const int64_t came_ns = MonotonicNs();
  if (auto known = Known(came_ns - std::chrono::nanoseconds(max_age).count(), false)) {
    return *std::move(known);
  }
  std::lock_guard one(reading_);
  if (max_age.count() > 0) {
    if (auto known = Known(came_ns, true)) return *std::move(known);
  }
  auto properties = Ask("properties", options_.answer_limit).and_then(ParseCardProperties);
  std::lock_guard lock(cache_mutex_);
  if (properties) {
    cache_ = *properties;
    cache_ns_ = MonotonicNs();
    cache_valid_ = true;
  } else {
    failure_ = properties.error();
    failure_ns_ = MonotonicNs();
  }
  return properties;
}

std::optional<CardProperties> WardenClient::LastProperties() const {
  std::lock_guard lock(cache_mutex_);
  return cache_;
}

void WardenClient::ForgetProperties() {
  std::lock_guard lock(cache_mutex_);
  cache_valid_ = false;
}

Status WardenClient::Reboot() {
  ForgetProperties();
  AX_RETURN_IF_ERROR(Ask("reboot", options_.reboot_limit));
  return {};
}

}  // namespace axollama::server
