// What the calls of AX_ENGINE and AXCL_ENGINE need of a card.
//
// Implementations: the simulated board's core (sim/onboard), and libaxcl_rt.so's exported functions
// (sim/entry/npu). Return codes are what the program gets, unless a call says otherwise.
// Owner: the process. Threads: any.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "abi/ax_engine_type.h"

namespace axsim::engine_abi {

// The numbers of axclrtEngineDataType, which the container uses too, in the board's numbering.
AX_ENGINE_DATA_TYPE_T FromAxclType(int32_t axcl_type);

struct Tensor {
  std::string name;
  AX_ENGINE_DATA_TYPE_T type = AX_ENGINE_DT_UNKNOWN;
  std::vector<int32_t> dims;
  uint32_t size_bytes = 0;
};

struct Group {
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
};

struct Description {
  std::vector<Group> groups;  // at least one
  std::string compiler_version;
};

struct Buffer {
  uint64_t address = 0;
  uint64_t size_bytes = 0;
};

class Runtime {
 public:
  virtual const char* version() const = 0;
  virtual int32_t Start(AX_ENGINE_NPU_MODE_T mode) = 0;
  virtual int32_t GetMode(AX_ENGINE_NPU_MODE_T* mode) = 0;  // fails before Start
  virtual int32_t Stop() = 0;
  virtual void Reset() = 0;  // of the NPU, after a run that failed

  // `data` is in the memory that this side of the ABI means; see ax_engine.h and axcl_npu.h.
  virtual int32_t GetModelType(const void* data, uint32_t size, AX_ENGINE_MODEL_TYPE_T* type) = 0;
  virtual int32_t Load(const void* data, uint32_t size, uint64_t* model) = 0;
  virtual int32_t Unload(uint64_t model) = 0;
  virtual int32_t Describe(uint64_t model, Description* description) = 0;
  virtual int32_t GetModelType(uint64_t model, AX_ENGINE_MODEL_TYPE_T* type) = 0;
  virtual int32_t GetCmmBytes(uint64_t model, uint64_t* bytes) = 0;
  virtual int32_t SetAffinity(uint64_t model, uint32_t set) = 0;
  virtual int32_t GetAffinity(uint64_t model, uint32_t* set) = 0;
  virtual int32_t CreateContext(uint64_t model, uint64_t* context) = 0;
  // As many buffers as the group has tensors, in their order.
  virtual int32_t Run(uint64_t model, uint64_t context, uint32_t group,
                      std::span<const Buffer> inputs, std::span<const Buffer> outputs) = 0;

 protected:
  ~Runtime() = default;  // never destroyed through this
};

}  // namespace axsim::engine_abi
