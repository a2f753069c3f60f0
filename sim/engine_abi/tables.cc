#include "sim/engine_abi/tables.h"

#include <algorithm>
#include <utility>

#include "abi/axcl.h"

namespace axsim::engine_abi {
namespace {

constexpr size_t kMaxDims = UINT8_MAX;  // nShapeSize has eight bits

}  // namespace

AX_ENGINE_DATA_TYPE_T FromAxclType(int32_t axcl_type) {
  switch (axcl_type) {
    case AXCL_DATA_TYPE_INT8:
      return AX_ENGINE_DT_SINT8;
    case AXCL_DATA_TYPE_UINT8:
      return AX_ENGINE_DT_UINT8;
    case AXCL_DATA_TYPE_INT16:
      return AX_ENGINE_DT_SINT16;
    case AXCL_DATA_TYPE_UINT16:
      return AX_ENGINE_DT_UINT16;
    case AXCL_DATA_TYPE_INT32:
      return AX_ENGINE_DT_SINT32;
    case AXCL_DATA_TYPE_UINT32:
      return AX_ENGINE_DT_UINT32;
    case AXCL_DATA_TYPE_BF16:
      return AX_ENGINE_DT_BFLOAT16;
    case AXCL_DATA_TYPE_FP32:
      return AX_ENGINE_DT_FLOAT32;
    case AXCL_DATA_TYPE_FP64:
      return AX_ENGINE_DT_FLOAT64;
    default:
      return AX_ENGINE_DT_UNKNOWN;
  }
}

AX_ENGINE_IOMETA_T* Tables::MakeSide(std::vector<Tensor>* tensors) {
  std::vector<AX_ENGINE_IOMETA_T>& metas = metas_.emplace_back();
  metas.reserve(tensors->size());
  for (Tensor& tensor : *tensors) {
    AX_ENGINE_IOMETA_T meta{};
    meta.pName = tensor.name.data();
    meta.pShape = tensor.dims.data();
    meta.nShapeSize = static_cast<uint8_t>(std::min(tensor.dims.size(), kMaxDims));
    meta.eLayout = AX_ENGINE_TENSOR_LAYOUT_UNKNOWN;  // no images
    meta.eMemoryType = AX_ENGINE_MT_PHYSICAL;
    meta.eDataType = tensor.type;
    meta.nSize = tensor.size_bytes;
    metas.push_back(meta);
  }
  return metas.data();
}

Tables::Tables(Description description) : description_(std::move(description)) {
  infos_.reserve(description_.groups.size());
  for (Group& group : description_.groups) {
    AX_ENGINE_IO_INFO_T info{};
    info.pInputs = MakeSide(&group.inputs);
    info.nInputSize = static_cast<uint32_t>(group.inputs.size());
    info.pOutputs = MakeSide(&group.outputs);
    info.nOutputSize = static_cast<uint32_t>(group.outputs.size());
    info.nMaxBatchSize = 1;
    infos_.push_back(info);
  }
}

}  // namespace axsim::engine_abi
