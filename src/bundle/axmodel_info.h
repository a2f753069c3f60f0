// What an .axmodel file says about itself, without a device: its compiler, and the tensors of its
// ONNX shell.
//
// A bounded walk over the file's top (ModelProto, GraphProto's names and shapes); weights are
// stepped over, so their pages are never read. Source: onnx.proto3 (field numbers).
// Threads: plain functions and values. Any bytes are safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::bundle {

struct ShellTensor {
  std::string name;
  std::vector<int64_t> dims;
};

struct AxmodelInfo {
  std::string producer;             // "Pulsar2", "axollama-sim"
  std::string program;              // simulator files: the JSON of what the file computes
  std::vector<ShellTensor> inputs;  // of the ONNX shell; group tensors may end in `_GROUP`
  std::vector<ShellTensor> outputs;
};

inline constexpr std::string_view kSimulatorProducer = "axollama-sim";

// `name` stands in errors.
Result<AxmodelInfo> ParseAxmodelInfo(std::span<const std::byte> file, std::string_view name);

// Refuses an empty file and a Git LFS pointer by name.
Result<AxmodelInfo> ReadAxmodelInfo(const std::filesystem::path& path);

// The last dimension of the tensor `name` (or `name_0`) of the first group; nullopt if not there.
std::optional<uint32_t> LastDim(const std::vector<ShellTensor>& tensors, std::string_view name);

// The last dimension but one of the tensor `name`; nullopt if not there.
std::optional<uint32_t> RowsOf(const std::vector<ShellTensor>& tensors, std::string_view name);

// Of a whole stack: one more than the highest i of the inputs `k_cache_{i}`; 0 without any.
uint32_t CountLayers(const std::vector<ShellTensor>& tensors);

// kInvalid if the file is missing, empty, no regular file, or a Git LFS pointer: each says so and
// what to do.
Status CheckPlausibleFile(const std::filesystem::path& path);

}  // namespace axollama::bundle
