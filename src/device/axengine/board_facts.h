// What an AX650 board's Linux says about itself in /proc and /sys: its firmware's version, the
// chip's uid, temperature and NPU load. Threads: any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace axollama::device::axengine {

struct BoardFacts {
  std::string firmware;  // "" where it is not said
  uint64_t uid = 0;      // 0 where it is not said
  std::optional<double> temperature_c;
  std::optional<double> npu_percent;  // only while /proc/ax_proc/npu/enable is 1
};

// What is not there, or not as expected, is left out. `root` stands for "/".
BoardFacts ReadBoardFacts(const std::filesystem::path& root);

}  // namespace axollama::device::axengine
