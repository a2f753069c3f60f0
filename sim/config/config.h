// What the simulated machine looks like: its cards, their memory, and what is wrong with them.
//
// Sources, the first that speaks: axclInit's argument (a file's path or a JSON string), the file
// that AXSIM_CONFIG names, the defaults; then AXSIM_PROFILE, AXSIM_ISA and AXSIM_THREADS replace
// single values. Keys, all optional:
//   {"profile":"off","threads":0,"isa":"auto","init_error":null,
//    "cards":[{"id":1,"cmm_mib":7040,"leak_on_kill":true,"faults":[]}]}
// Threads: plain values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/faults/fault.h"

namespace axsim::config {

struct Card {
  int32_t id = 1;            // the device id, which is the PCI bus number: 1 to 255
  uint32_t cmm_mib = 7040;   // the card's memory for models and buffers
  bool leak_on_kill = true;  // a process that ends without freeing leaves its memory taken
  std::vector<faults::Fault> faults;
};

struct Config {
  std::string profile = "off";  // how time passes: a name that timing::FindCosts knows
  uint32_t threads = 0;         // 0: the fastest count
  std::string isa = "auto";
  std::optional<int32_t> init_error;   // what axclInit answers, as if there were no driver
  std::vector<Card> cards = {Card{}};  // by ascending id
};

// Strict: unknown keys, wrong types, values out of range and two cards with one id are errors that
// name `what` (a path, or "axclInit's argument") and the key.
axollama::Result<Config> Parse(std::string_view json, std::string_view what);

// The configuration of this process. An argument that is no existing file, or that holds none of
// our keys (the vendor's axcl.json), says nothing. A missing AXSIM_CONFIG file is an error.
axollama::Result<Config> Load(std::string_view init_argument);

// The folder of the state that processes share: AXSIM_STATE, else /dev/shm/axsim-UID. Made here,
// mode 0700; a default folder of another user is refused.
axollama::Result<std::filesystem::path> StateFolder();

}  // namespace axsim::config
