// What the warden is asked and what it answers, one line each.
//
//   {"id":1,"op":"properties"} -> {"id":1,"ok":true,"backend":"sim","library":"...","cards":[0],
//       "properties":{"id","uid","firmware","pci","temperature_c","cmm_total_bytes",
//       "cmm_free_bytes","npu_percent","cpu_percent"}}; null: the device cannot tell
//   {"id":2,"op":"reboot"}     -> {"id":2,"ok":true}
//   anything that fails        -> {"id":...,"ok":false,"kind":"device","error":"..."}
//
// The id may be any JSON value and comes back as it was; null when none could be read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "device/device.h"

namespace axollama::warden {

struct Reading {
  std::string backend;         // "axcl", "axengine" or "sim"
  std::string library;         // its path
  std::vector<int32_t> cards;  // ids, in the library's order
  int32_t id = 0;              // of the card that was read
  device::Properties properties;
};

// The way to the card. Threads: one at a time.
class CardAccess {
 public:
  virtual ~CardAccess() = default;
  virtual Result<Reading> Read() = 0;
  virtual Status Reboot() = 0;
};

// Never fails: rubbish is answered with ok:false. The answer has no line end.
std::string Answer(std::string_view line, CardAccess& card);

// An answer to a line that cannot be read at all.
std::string Refusal(std::string_view error);

// "unavailable", "device", ...: an ErrorKind as the protocol spells it.
std::string_view KindName(ErrorKind kind);

}  // namespace axollama::warden
