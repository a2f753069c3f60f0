// Device over AX_ENGINE: the NPU of the SoC that this program runs on, behind the board's libraries
// or the simulated ones. It has one "card", with the id 0. Threads: as device.h says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "device/device.h"

namespace axollama::device::axengine {

// Opens the libraries; `id` may only be 0. `not_found`, if not null, is set to whether that failed
// because there are no such libraries.
Result<std::unique_ptr<Device>> OpenDevice(std::optional<int32_t> id, bool* not_found = nullptr);

}  // namespace axollama::device::axengine
