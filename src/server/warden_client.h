// The supervisor's side of `axollama warden`: the keeper of one card, asked over a pair of pipes.
//
// A question has a time limit; a warden that does not answer in time, answers nonsense or has ended
// is killed and replaced at the next question. Properties are cached for 5 s.
// Owner: Card. Threads: any; questions are asked one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "server/child.h"

namespace axollama::server {

struct CardProperties {
  std::string backend;  // axcl, axengine or sim
  std::string library;
  std::vector<int64_t> cards;  // ids of every card the library lists
  int64_t id = 0;
  std::string uid;  // hexadecimal
  std::string firmware;
  std::string pci;
  // Absent where the device cannot tell.
  std::optional<double> temperature_c, npu_percent, cpu_percent;
  std::optional<uint64_t> cmm_total_bytes, cmm_free_bytes;

  std::optional<uint64_t> cmm_used_bytes() const {
    if (!cmm_total_bytes || !cmm_free_bytes || *cmm_free_bytes > *cmm_total_bytes) return {};
    return *cmm_total_bytes - *cmm_free_bytes;
  }
};

// The object "properties" of an answer, with backend, library and cards beside it.
Result<CardProperties> ParseCardProperties(const json::Object& answer);

class WardenClient {
 public:
  struct Options {
    std::string program = "/proc/self/exe";
    std::string device;                // as --device; "": the warden's own choice
    std::optional<int64_t> device_id;  // absent: the first card
    std::chrono::milliseconds answer_limit{20'000};
    std::chrono::milliseconds reboot_limit{120'000};
  };

  explicit WardenClient(Options options);
  ~WardenClient();  // ends the warden

  // At most `max_age` old. Unless that is 0, who comes while the card is being asked gets what is
  // found out then, a failure too: askers of a library that hangs do not queue up.
  Result<CardProperties> Properties(std::chrono::milliseconds max_age);
  // The last ones read, however old; nothing if there were none. Never blocks.
  std::optional<CardProperties> LastProperties() const;
  void ForgetProperties();  // the next Properties asks the card

  Status Reboot();
  // Which card from now on: ids change when a card was rebooted.
  void UseCard(std::optional<int64_t> device_id);
  void End();

 private:
  // What was learned at that moment or later; of failures only if `failures`.
  std::optional<Result<CardProperties>> Known(int64_t since_ns, bool failures) const;
  Result<json::Object> Ask(std::string_view operation, std::chrono::milliseconds limit);
  Status StartWarden();
  Result<std::string> ReadAnswer(std::chrono::milliseconds limit);
  void EndLocked();

  Options options_;
  std::mutex reading_;  // goes before asking_
  std::mutex asking_;
  std::unique_ptr<Child> child_;
  Fd questions_, answers_, lifeline_;
  std::string buffer_;
  int64_t next_id_ = 1;

  mutable std::mutex cache_mutex_;
  std::optional<CardProperties> cache_;
  int64_t cache_ns_ = 0;
  bool cache_valid_ = false;
  Error failure_;  // the last
  int64_t failure_ns_ = 0;
};

}  // namespace axollama::server
