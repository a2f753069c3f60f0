// Queue over AXCL: one explicit stream.
#pragma once

#include <memory>

#include "device/axcl/api.h"
#include "device/device.h"

namespace axollama::device::axcl {

// kUnavailable when the library lacks a function for it. The calling thread must be bound.
Result<std::unique_ptr<Queue>> CreateQueue(std::shared_ptr<const Api> api);

}  // namespace axollama::device::axcl
