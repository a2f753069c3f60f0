// Device over AXCL: an AX650N / AX8850 card behind the vendor's libaxcl_rt.so, or the simulated
// card behind ours. Threads: as device.h says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "device/device.h"

namespace axollama::device::axcl {

// Opens the library for `backend` (kAxcl or kSim) and selects card `id`, or the first. `no_card` is
// set to whether that failed because this machine has no AXCL library, no driver or no card.
Result<std::unique_ptr<Device>> OpenDevice(Backend backend, std::optional<int32_t> id,
                                           bool* no_card);

}  // namespace axollama::device::axcl
