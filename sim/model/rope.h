// Rotary position embeddings: tables computed in double once, shared by all layers of a model.
//
// Owner: whoever holds the pointer; layers that ask for the same table get the same one, so that a
// model of many files keeps one. Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace axsim::model {

struct RopeTable {
  uint32_t positions = 0;
  uint32_t half = 0;           // rope_dims / 2
  std::vector<float> cosines;  // [positions, half]
  std::vector<float> sines;    // [positions, half]

  // Turns the pairs (x[i], x[i + half]) of one head. position < positions.
  void Apply(uint32_t position, float* x) const;
};

// Angle i of position p is p * theta^(-2i / dims) / factors[i]; no factors: 1.
std::shared_ptr<const RopeTable> SharedRopeTable(uint32_t positions, uint32_t dims, double theta,
                                                 std::span<const float> factors);

}  // namespace axsim::model
