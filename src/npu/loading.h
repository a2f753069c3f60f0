// A bundle's files and buffers on their way to the card: the order of loading, the memory that it
// takes, and what a supervisor sees of it.
//
// Owner: a local of whoever loads; the link outlives it. Threads: the model's, which Begin binds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bundle/bundle.h"
#include "device/device.h"
#include "npu/link.h"
#include "npu/model.h"
#include "npu/shapes.h"

namespace axollama::npu {

class Loading {
 public:
  // kNoMemory when the files alone do not fit.
  static Result<Loading> Begin(Link& link, std::vector<std::filesystem::path> files,
                               const StopCheck& stop);

  // Indices of the files in the order of loading: the largest first, since the second copy of a
  // file that a load needs for a moment is easiest to place on an empty card; then as they stand.
  const std::vector<size_t>& order() const { return order_; }
  Result<std::unique_ptr<device::LoadedModel>> Load(size_t file);
  std::string NameOf(size_t file) const { return files_[file].string(); }

  // Whether the files and, when they are loaded, `work_bytes` fit. kNoMemory has both numbers.
  Status CheckMemory(uint64_t work_bytes) const;
  // Zeroed: a NaN left in memory poisons a softmax even under the mask.
  Status Make(uint64_t size_bytes, Buffer* out);

  uint64_t cmm_bytes() const { return cmm_bytes_; }  // so far
  const std::string& firmware() const { return firmware_; }

 private:
  Loading(Link& link, std::vector<std::filesystem::path> files, const StopCheck& stop)
      : link_(link), stop_(stop), files_(std::move(files)) {}
  Status Measure();

  Link& link_;
  StopCheck stop_;
  std::vector<std::filesystem::path> files_;
  std::vector<uint64_t> sizes_;
  std::vector<size_t> order_;
  uint64_t total_bytes_ = 0;
  uint64_t peak_bytes_ = 0;  // while they are loaded in that order, the second copies included
  std::optional<uint64_t> free_bytes_;  // absent: the card cannot tell
  std::string firmware_;
  uint64_t cmm_bytes_ = 0;
};

// What the bundle says against what the device says: widths, chunk, and the width of a row of
// logits.
Status CheckBundle(const bundle::Bundle& bundle, const LayerShape& shape);
Status CheckWidth(const bundle::Bundle& bundle, uint32_t width);

// Bytes of buffers, as all kinds of networks need them.
uint64_t RowMaskBytes(const LayerShape& shape);  // of the largest mask of one row
uint64_t CacheBytes(const LayerShape& shape);    // of the K or V rows of one layer

}  // namespace axollama::npu
