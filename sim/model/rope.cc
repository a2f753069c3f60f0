#include "sim/model/rope.h"

#include <cmath>
#include <map>
#include <mutex>
#include <tuple>

namespace axsim::model {
namespace {

using Key = std::tuple<uint32_t, uint32_t, double, std::vector<float>>;

std::shared_ptr<const RopeTable> MakeTable(const Key& key) {
  const auto& [positions, dims, theta, factors] = key;
  auto table = std::make_shared<RopeTable>();
  table->positions = positions;
  table->half = dims / 2;
  table->cosines.resize(size_t{positions} * table->half);
  table->sines.resize(table->cosines.size());
  for (uint32_t i = 0; i < table->half; ++i) {
    double frequency = std::pow(theta, -2.0 * i / dims);
    if (!factors.empty()) frequency /= factors[i];
    for (uint32_t p = 0; p < positions; ++p) {
      table->cosines[size_t{p} * table->half + i] = static_cast<float>(std::cos(p * frequency));
      table->sines[size_t{p} * table->half + i] = static_cast<float>(std::sin(p * frequency));
    }
  }
  return table;
}

}  // namespace

void RopeTable::Apply(uint32_t position, float* x) const {
  const float* c = cosines.data() + size_t{position} * half;
  const float* s = sines.data() + size_t{position} * half;
  for (uint32_t i = 0; i < half; ++i) {
    const float a = x[i];
    const float b = x[i + half];
    x[i] = a * c[i] - b * s[i];
    x[i + half] = b * c[i] + a * s[i];
  }
}

std::shared_ptr<const RopeTable> SharedRopeTable(uint32_t positions, uint32_t dims, double theta,
                                                 std::span<const float> factors) {
  static std::mutex mutex;
  static auto& tables = *new std::map<Key, std::weak_ptr<const RopeTable>>;  // outlives all users
  const std::lock_guard lock(mutex);
  std::erase_if(tables, [](const auto& entry) { return entry.second.expired(); });
  Key key{positions, dims, theta, std::vector<float>(factors.begin(), factors.end())};
  auto& slot = tables[key];
  std::shared_ptr<const RopeTable> table = slot.lock();
  if (table == nullptr) slot = table = MakeTable(key);
  return table;
}

}  // namespace axsim::model
