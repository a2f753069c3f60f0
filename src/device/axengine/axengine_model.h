// LoadedModel and Io over AX_ENGINE.
#pragma once

#include <filesystem>
#include <memory>

#include "device/axengine/api.h"
#include "device/axengine/memory.h"
#include "device/device.h"

namespace axollama::device::axengine {

// Maps the file for the time of the load. Everything the library says about tensors is checked
// before it is believed.
Result<std::unique_ptr<LoadedModel>> LoadModel(std::shared_ptr<const Api> api,
                                               std::shared_ptr<const CmmMemory> memory,
                                               const std::filesystem::path& file);

}  // namespace axollama::device::axengine
