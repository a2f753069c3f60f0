// The versions the simulated card answers with: the vendor's release whose behaviour it follows,
// and what it is.
#pragma once

#include <cstdint>
#include <string_view>

namespace axsim::card {

inline constexpr int32_t kVersionMajor = 3;
inline constexpr int32_t kVersionMinor = 10;
inline constexpr int32_t kVersionPatch = 2;
// At most 63 bytes: axclrtDeviceProperties::swVersion.
inline constexpr std::string_view kFirmwareVersion = "V3.10.2_axollama-sim-" AXOLLAMA_VERSION;
static_assert(kFirmwareVersion.size() < 64);
inline constexpr char kLibraryVersion[] =
    "[AXCL version]: libaxcl_rt.so V3.10.2_axollama-sim-" AXOLLAMA_VERSION;

}  // namespace axsim::card
