/* The types of AX_ENGINE_* (ax_engine.h) and of its remote twin AXCL_ENGINE_* (axcl_npu.h).
 *
 * Declarations of our own, from published behaviour; nothing is copied from the vendor. C11 and
 * C++.
 * Sizes: the reserved tails here are fixed on every architecture, at those of the board's aarch64
 * headers and of AXCL 3.x on any 64-bit host: 9, 11, 11 and 10 words, with nParallelRun before the
 * last. In older board headers the tails exist only on ARM (none on x86-64), and nParallelRun may
 * be an eleventh reserved word, or missing: a library must read nothing of an AX_ENGINE_IO_T behind
 * pIoSetting, and a program leaves what is there zero.
 */
#pragma once

#include <stdint.h>

/* ---- error codes: 0x80000000 | module << 16 | low byte; module 6 is the NPU. No header of the
 * vendor's names them; these were seen ---- */

#define AX_ENGINE_CODE(low) ((int32_t)(0x80060000u | (low)))
#define AX_ENGINE_ERR_HANDLE AX_ENGINE_CODE(0x81u) /* no such handle, or without a context */
#define AX_ENGINE_ERR_NULL AX_ENGINE_CODE(0x84u)
#define AX_ENGINE_ERR_INIT AX_ENGINE_CODE(0x87u) /* also: in another mode already */
#define AX_ENGINE_ERR_RUN AX_ENGINE_CODE(0x8Au)  /* also: too little memory for it */

typedef void* AX_ENGINE_HANDLE;
typedef void* AX_ENGINE_CONTEXT_T;
typedef uint32_t AX_ENGINE_NPU_SET_T; /* a bit for each of the NPU's three cores */

typedef enum AX_ENGINE_TENSOR_LAYOUT_T {
  AX_ENGINE_TENSOR_LAYOUT_UNKNOWN = 0,
  AX_ENGINE_TENSOR_LAYOUT_NHWC = 1,
  AX_ENGINE_TENSOR_LAYOUT_NCHW = 2
} AX_ENGINE_TENSOR_LAYOUT_T;

typedef enum AX_ENGINE_MEMORY_TYPE_T {
  AX_ENGINE_MT_PHYSICAL = 0,
  AX_ENGINE_MT_VIRTUAL = 1,
  AX_ENGINE_MT_OCM = 2
} AX_ENGINE_MEMORY_TYPE_T;

typedef enum AX_ENGINE_DATA_TYPE_T {
  AX_ENGINE_DT_UNKNOWN = 0,
  AX_ENGINE_DT_UINT8 = 1,
  AX_ENGINE_DT_UINT16 = 2,
  AX_ENGINE_DT_FLOAT32 = 3,
  AX_ENGINE_DT_SINT16 = 4,
  AX_ENGINE_DT_SINT8 = 5,
  AX_ENGINE_DT_SINT32 = 6,
  AX_ENGINE_DT_UINT32 = 7,
  AX_ENGINE_DT_FLOAT64 = 8,
  AX_ENGINE_DT_BFLOAT16 = 9, /* from SDK 2.18 on */
  AX_ENGINE_DT_UINT10_PACKED = 100,
  AX_ENGINE_DT_UINT12_PACKED = 101,
  AX_ENGINE_DT_UINT14_PACKED = 102,
  AX_ENGINE_DT_UINT16_PACKED = 103
} AX_ENGINE_DATA_TYPE_T;

typedef enum AX_ENGINE_COLOR_SPACE_T { AX_ENGINE_CS_FEATUREMAP = 0 } AX_ENGINE_COLOR_SPACE_T;

typedef enum AX_ENGINE_NPU_MODE_T {
  AX_ENGINE_VIRTUAL_NPU_DISABLE = 0,
  AX_ENGINE_VIRTUAL_NPU_STD = 1,
  AX_ENGINE_VIRTUAL_NPU_BIG_LITTLE = 2,
  AX_ENGINE_VIRTUAL_NPU_LITTLE_BIG = 3
} AX_ENGINE_NPU_MODE_T;

typedef enum AX_ENGINE_MODEL_TYPE_T { /* how many cores a model was compiled for, less one */
                                      AX_ENGINE_MODEL_TYPE0 = 0,
                                      AX_ENGINE_MODEL_TYPE1 = 1,
                                      AX_ENGINE_MODEL_TYPE2 = 2
} AX_ENGINE_MODEL_TYPE_T;

typedef struct AX_ENGINE_NPU_ATTR_T {
  AX_ENGINE_NPU_MODE_T eHardMode;
  uint32_t reserve[8];
} AX_ENGINE_NPU_ATTR_T;

typedef struct AX_ENGINE_IOMETA_EX_T {
  AX_ENGINE_COLOR_SPACE_T eColorSpace;
  uint64_t u64Reserved[18];
} AX_ENGINE_IOMETA_EX_T;

typedef struct AX_ENGINE_IOMETA_T {
  char* pName;
  int32_t* pShape;
  uint8_t nShapeSize;
  AX_ENGINE_TENSOR_LAYOUT_T eLayout;
  AX_ENGINE_MEMORY_TYPE_T eMemoryType;
  AX_ENGINE_DATA_TYPE_T eDataType;
  AX_ENGINE_IOMETA_EX_T* pExtraMeta; /* NULL: nothing special */
  uint32_t nSize;                    /* bytes */
  uint32_t nQuantizationValue;
  int32_t* pStride; /* NULL: dense */
  uint64_t u64Reserved[9];
} AX_ENGINE_IOMETA_T;

typedef struct AX_ENGINE_IO_INFO_T {
  AX_ENGINE_IOMETA_T* pInputs;
  uint32_t nInputSize; /* how many */
  AX_ENGINE_IOMETA_T* pOutputs;
  uint32_t nOutputSize;
  uint32_t nMaxBatchSize; /* 0: any */
  int32_t bDynamicBatchSize;
  uint64_t u64Reserved[11];
} AX_ENGINE_IO_INFO_T;

typedef struct AX_ENGINE_IO_BUFFER_T {
  uint64_t phyAddr;
  void* pVirAddr;
  uint32_t nSize; /* bytes; more than the tensor needs is fine */
  int32_t* pStride;
  uint8_t nStrideSize;
  uint64_t u64Reserved[11];
} AX_ENGINE_IO_BUFFER_T;

typedef struct AX_ENGINE_IO_SETTING_T {
  uint32_t nWbtIndex;
  uint64_t u64Reserved[7];
} AX_ENGINE_IO_SETTING_T;

typedef struct AX_ENGINE_IO_T {
  AX_ENGINE_IO_BUFFER_T* pInputs;
  uint32_t nInputSize; /* how many */
  AX_ENGINE_IO_BUFFER_T* pOutputs;
  uint32_t nOutputSize;
  uint32_t nBatchSize;
  AX_ENGINE_IO_SETTING_T* pIoSetting; /* may be NULL */
  uint32_t nParallelRun;
  uint64_t u64Reserved[10];
} AX_ENGINE_IO_T;

typedef struct AX_ENGINE_HANDLE_EXTRA_T {
  AX_ENGINE_NPU_SET_T nNpuSet; /* 0: any core */
  int8_t* pName;               /* may be NULL */
  uint32_t reserve[8];
} AX_ENGINE_HANDLE_EXTRA_T;

typedef struct AX_ENGINE_CMM_INFO {
  uint32_t nCMMSize; /* bytes */
} AX_ENGINE_CMM_INFO;

/* The libraries were compiled with these sizes: tensors and buffers stand in arrays. */
#if defined(__LP64__)
#if defined(__cplusplus)
#define AX_ENGINE_SIZE(type, size) static_assert(sizeof(type) == (size), #type " has another size")
#else
#define AX_ENGINE_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#endif
AX_ENGINE_SIZE(AX_ENGINE_NPU_ATTR_T, 36);
AX_ENGINE_SIZE(AX_ENGINE_IOMETA_EX_T, 152);
AX_ENGINE_SIZE(AX_ENGINE_IOMETA_T, 128);
AX_ENGINE_SIZE(AX_ENGINE_IO_INFO_T, 128);
AX_ENGINE_SIZE(AX_ENGINE_IO_BUFFER_T, 128);
AX_ENGINE_SIZE(AX_ENGINE_IO_SETTING_T, 64);
AX_ENGINE_SIZE(AX_ENGINE_IO_T, 128);
AX_ENGINE_SIZE(AX_ENGINE_HANDLE_EXTRA_T, 48);
#undef AX_ENGINE_SIZE
#endif
