// Device over AXCL: an AX650N / AX8850 card behind the vendor's libaxcl_rt.so, or the simulated
// card behind ours. Threads: as device.h says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "device/device.h"

namespace axollama::device::axcl {

// Opens the library for `backend` (kAxcl or kSim) and selects card `id`, or the first.
Result<std::unique_ptr<Device>> OpenDevice(Backend backend, std::optional<int32_t> id);

}  // namespace axollama::device::axcl
