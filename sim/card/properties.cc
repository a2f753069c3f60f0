// The numbers a card reports about itself.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/clock.h"
#include "sim/card/driver.h"
#include "sim/card/version.h"

namespace axsim::card {
namespace {

// A card's own Linux: 1 GiB less what its kernel keeps, as /proc/meminfo shows it.
constexpr uint32_t kSystemMemoryKb = 1010 * 1024;
constexpr uint32_t kSystemUsedKb = 240 * 1024;
constexpr uint32_t kWorkerProcessKb = 12 * 1024;

// Idle, and the rise under lasting full load, in thousandths of a degree Celsius.
constexpr double kIdleTemperature = 45'000;
constexpr double kLoadTemperature = 22'000;

constexpr int64_t kLoadWindowNs = 2'000'000'000;
constexpr int64_t kHeatWindowNs = 30'000'000'000;

uint32_t PercentTimes100(double share) { return static_cast<uint32_t>(std::lround(share * 1e4)); }

}  // namespace

axclError Driver::ReadProperties(int32_t card_id, axclrtDeviceProperties* properties) {
  const std::lock_guard lock(mutex_);
  axclError code;
  Card* card = FindCard(card_id, &code);
  if (card == nullptr) return code;
  if (card->faults->IsDeaf()) return AXCL_ERR_DEVICE_QUERY;
  Books& books = *card->books;
  const int64_t now_ns = axollama::MonotonicNs();
  const double load = books.Load(now_ns, kLoadWindowNs);
  const double heat = books.Load(now_ns, kHeatWindowNs);
  const uint64_t used_bytes = std::min(books.used_bytes(), books.total_bytes());
  const uint32_t workers_kb =
      std::min(books.holders() * kWorkerProcessKb, kSystemMemoryKb - kSystemUsedKb);

  *properties = {};
  std::memcpy(properties->swVersion, kFirmwareVersion.data(), kFirmwareVersion.size());
  properties->uid = card->uid;
  properties->pciDomain = 0;
  properties->pciBusID = static_cast<uint32_t>(card_id);
  properties->pciDeviceID = 0;
  properties->temperature =
      static_cast<int32_t>(std::lround(kIdleTemperature + heat * kLoadTemperature));
  properties->totalMemSize = kSystemMemoryKb;
  properties->freeMemSize = kSystemMemoryKb - kSystemUsedKb - workers_kb;
  properties->totalCmmSize = static_cast<uint32_t>(books.total_bytes() >> 10);
  properties->freeCmmSize = static_cast<uint32_t>((books.total_bytes() - used_bytes) >> 10);
  properties->npuLoading = PercentTimes100(load);
  properties->cpuLoading =
      PercentTimes100(0.01 + 0.05 * load);  // the card's own CPU only hands over
  // The vendor's library sets and resets the device for its questions, which leaves the calling
  // thread without one.
  Bind(nullptr);
  return AXCL_SUCC;
}

}  // namespace axsim::card
