// The warden's way to a card: the library is opened, asked and closed for each question, and the
// card itself is never taken, so that the warden cannot stand in the way of a reboot.
#pragma once

#include <memory>

#include "device/device.h"
#include "warden/questions.h"

namespace axollama::warden {

std::unique_ptr<CardAccess> OpenPerQuestion(device::Device::Options options);

}  // namespace axollama::warden
