#include "npu/loading.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <system_error>
#include <utility>

#include "base/log.h"

namespace axollama::npu {
namespace {

double Mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

Result<Loading> Loading::Begin(Link& link, std::vector<std::filesystem::path> files,
                               const StopCheck& stop) {
  Loading loading(link, std::move(files), stop);
  AX_RETURN_IF_ERROR(loading.Measure());
  // Reading properties leaves the thread without the device, hence before the binding.
  device::Device& device = link.device();
  auto card = device.ReadProperties(device.card().id);
  if (card) {
    loading.free_bytes_ = card->cmm_free_bytes;
    loading.firmware_ = std::move(card->firmware);
  } else {
    log::Warn("npu", "free memory of the card is unknown: {}", card.error().message);
  }
  AX_RETURN_IF_ERROR(device.BindThread());
  AX_RETURN_IF_ERROR(loading.CheckMemory(0));
  if (ProgressPage* const page = link.page(); page != nullptr) {
    page->layers_total.store(static_cast<uint32_t>(loading.files_.size()));
    page->layers_loaded.store(0);
  }
  return loading;
}

Status Loading::Measure() {
  for (const auto& path : files_) {
    std::error_code error;
    const uint64_t size_bytes = std::filesystem::file_size(path, error);
    if (error) {
      return Fail(ErrorKind::kIo, fmt::format("{}: {}", path.string(), error.message()));
    }
    sizes_.push_back(size_bytes);
    total_bytes_ += size_bytes;
  }
  order_.resize(sizes_.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  const auto largest = std::max_element(sizes_.begin(), sizes_.end());
  const auto at = order_.begin() + (largest - sizes_.begin());
  std::rotate(order_.begin(), at, at + 1);
  uint64_t loaded = 0;
  for (const size_t i : order_) {
    loaded += sizes_[i];
    peak_bytes_ = std::max(peak_bytes_, loaded + sizes_[i]);
  }
  return {};
}

// LoadFromFile keeps a second copy of a file on the card while it loads it; the caches are made
// when the last one is gone.
Status Loading::CheckMemory(uint64_t work_bytes) const {
  const uint64_t needed = std::max(peak_bytes_, total_bytes_ + work_bytes);
  if (link_.page() != nullptr) link_.page()->needed_bytes.store(needed);
  if (!free_bytes_) return {};
  if (needed <= *free_bytes_) return {};
  return Fail(ErrorKind::kNoMemory,
              fmt::format("the model does not fit on the card: it needs {} bytes ({:.0f} MiB) of "
                          "CMM, {} bytes ({:.0f} MiB) are free: unload other models or stop other "
                          "programs that use the card",
                          needed, Mib(needed), *free_bytes_, Mib(*free_bytes_)));
}

Result<std::unique_ptr<device::LoadedModel>> Loading::Load(size_t file) {
  if (stop_ && stop_()) return Fail(ErrorKind::kCancelled, "stopped while loading");
  auto model = link_.device().Load(files_[file]);
  (void)link_.Done({});
  if (model) {
    cmm_bytes_ += sizes_[file];
    if (link_.page() != nullptr) link_.page()->layers_loaded.fetch_add(1);
  }
  return model;
}

Status Loading::Make(uint64_t size_bytes, Buffer* out) {
  AX_ASSIGN_OR_RETURN(*out, Buffer::Allocate(link_.device(), size_bytes));
  AX_RETURN_IF_ERROR(link_.Done(link_.device().Fill(out->address(), 0, size_bytes)));
  cmm_bytes_ += size_bytes;
  return {};
}

Status CheckBundle(const bundle::Bundle& bundle, const LayerShape& shape) {
  if (bundle.embedding->width() != shape.hidden) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}: the embedding table is {} wide, the layers' hidden size is {}: it "
                            "belongs to another model",
                            bundle.folder.string(), bundle.embedding->width(), shape.hidden));
  }
  if (!shape.prefill.empty() && bundle.chunk_tokens != shape.chunk()) {
    log::Warn("npu", "{}: the file names say chunks of {}, the tensors {}: the tensors count",
              bundle.folder.string(), bundle.chunk_tokens, shape.chunk());
  }
  return {};
}

Status CheckWidth(const bundle::Bundle& bundle, uint32_t width) {
  const uint32_t hidden = bundle.embedding->width();
  const uint32_t tokens = bundle.embedding->tokens();
  const auto bad = [&](std::string why) {
    return Fail(ErrorKind::kInvalid, fmt::format("{}: {}", bundle.folder.string(), why));
  };
  if (bundle.makes_embeddings) {
    if (width == hidden) return {};
    return bad(
        fmt::format("config.json says is_embedding, but the model gives {} values a token, not "
                    "its hidden state of {}: it gives logits, or belongs to another model",
                    width, hidden));
  }
  if (width == hidden && width < tokens) {
    return bad(
        fmt::format("the model gives its hidden state of {} values, not logits: if it is "
                    "made for embeddings, put \"is_embedding\": true into config.json",
                    width));
  }
  // A token without a row could be chosen, and then not be computed.
  if (tokens >= width) return {};
  return bad(
      fmt::format("the embedding table has {} rows, the model has {} tokens: the table is cut or "
                  "belongs to another model",
                  tokens, width));
}

uint64_t RowMaskBytes(const LayerShape& shape) {
  return (uint64_t{shape.kv_rows()} + 1) * kElementBytes;
}

uint64_t CacheBytes(const LayerShape& shape) {
  return uint64_t{shape.cache_rows()} * shape.kv_width * kElementBytes;
}

}  // namespace axollama::npu
