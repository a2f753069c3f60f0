// LoadedModel and Io over AXCL.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "device/axcl/api.h"
#include "device/device.h"

namespace axollama::device::axcl {

// Loads with LoadFromFile: LoadFromMem hangs on some library versions. The calling thread must be
// bound. Everything the library says about tensors is checked before it is believed.
Result<std::unique_ptr<LoadedModel>> LoadModel(std::shared_ptr<const Api> api,
                                               const std::filesystem::path& file);

// Queues an execute of a model and an IO that LoadModel made; the library has ExecuteAsync.
Status QueueExecute(LoadedModel& model, uint32_t group, Io& io, axclrtStream stream);

}  // namespace axollama::device::axcl
