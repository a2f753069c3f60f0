// Field numbers and values of onnx.proto3, as far as the container uses them.
#pragma once

#include <cstdint>

#include "sim/container/axmodel.h"

namespace axsim::container::onnx {

namespace model {
inline constexpr uint32_t kIrVersion = 1, kProducerName = 2, kProducerVersion = 3, kDocString = 6,
                          kGraph = 7, kOpsetImport = 8;
}
namespace opset {
inline constexpr uint32_t kDomain = 1, kVersion = 2;
}
namespace graph {
inline constexpr uint32_t kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node {
inline constexpr uint32_t kInput = 1, kOutput = 2, kName = 3, kOpType = 4, kAttribute = 5,
                          kDomain = 7;
}
namespace attribute {
inline constexpr uint32_t kName = 1, kString = 4, kType = 20;
inline constexpr uint32_t kTypeString = 3;
}  // namespace attribute
namespace tensor {
inline constexpr uint32_t kDims = 1, kDataType = 2, kName = 8, kRawData = 9, kDocString = 12;
}
namespace value_info {
inline constexpr uint32_t kName = 1, kType = 2;
}
namespace type {
inline constexpr uint32_t kTensorType = 1, kElemType = 1, kShape = 2, kDim = 1, kDimValue = 1;
}

inline constexpr uint32_t kIrVersionValue = 7;
inline constexpr uint32_t kOpsetVersion = 13;

// TensorProto.DataType; 0 (UNDEFINED) for what has none.
inline uint32_t FromDataType(DataType type) {
  switch (type) {
    case DataType::kFp32:
      return 1;
    case DataType::kUint8:
      return 2;
    case DataType::kInt8:
      return 3;
    case DataType::kUint32:
      return 12;
    case DataType::kBf16:
      return 16;
    case DataType::kNone:
      break;
  }
  return 0;
}

inline DataType ToDataType(uint64_t number) {
  switch (number) {
    case 1:
      return DataType::kFp32;
    case 2:
      return DataType::kUint8;
    case 3:
      return DataType::kInt8;
    case 12:
      return DataType::kUint32;
    case 16:
      return DataType::kBf16;
    default:
      return DataType::kNone;
  }
}

}  // namespace axsim::container::onnx
