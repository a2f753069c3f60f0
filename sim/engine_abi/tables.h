// The tensor tables that AX_ENGINE_GetIOInfo and GetGroupIOInfo give out: plain C structures, whose
// names, shapes and arrays stand beside them.
//
// Owner: a handle; programs keep pointers into it until they destroy the handle. Threads: constant.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "abi/ax_engine_type.h"
#include "sim/engine_abi/runtime.h"

namespace axsim::engine_abi {

class Tables {
 public:
  explicit Tables(Description description);
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  uint32_t groups() const { return static_cast<uint32_t>(infos_.size()); }
  // `group` is below groups(). The program's to read; C has no const here.
  AX_ENGINE_IO_INFO_T* info(uint32_t group) { return &infos_[group]; }
  const char* compiler_version() const { return description_.compiler_version.c_str(); }

 private:
  AX_ENGINE_IOMETA_T* MakeSide(std::vector<Tensor>* tensors);

  Description description_;
  std::deque<std::vector<AX_ENGINE_IOMETA_T>> metas_;  // never moved
  std::vector<AX_ENGINE_IO_INFO_T> infos_;
};

}  // namespace axsim::engine_abi
