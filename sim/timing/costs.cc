#include "sim/timing/costs.h"

namespace axsim::timing {
namespace {

constexpr double kBusNsPerByte = 1.0 / kBusBytesPerNs;
constexpr double kCardLoadNsPerByte = 1.0 / kLoadBytesPerNs - kBusNsPerByte;

struct Profile {
  std::string_view name;
  Costs costs;
};
constexpr Profile kProfiles[] = {
    {"off", {}},
    {"pi5", {true, kSmallCallNs, kQueuedSavingNs, kBusNsPerByte, kCardLoadNsPerByte}},
    // What queueing saves is a part of the way to the card and back, which is free here.
    {"native", {true, 0, 0, 0, kCardLoadNsPerByte}},
};

}  // namespace

const Costs* FindCosts(std::string_view profile) {
  for (const Profile& known : kProfiles) {
    if (known.name == profile) return &known.costs;
  }
  return nullptr;
}

std::string ProfileNames() {
  std::string names;
  for (const Profile& known : kProfiles) {
    if (!names.empty()) names += ", ";
    names += known.name;
  }
  return names;
}

}  // namespace axsim::timing
