#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>

#include "base/log.h"
#include "npu/chain.h"

namespace axollama::npu {
namespace {

double Mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

struct Files {
  std::vector<uint64_t> sizes;  // layers, then post
  // Indices of sizes in the order of loading: the largest first, since the second copy of a file
  // that a load needs for a moment is easiest to place on an empty card; then as they stand.
  std::vector<size_t> order;
  uint64_t total = 0;
  uint64_t peak = 0;  // while they are loaded in that order, the second copies included
};

Result<Files> MeasureFiles(const bundle::Bundle& bundle) {
  Files files;
  std::vector<std::filesystem::path> paths = bundle.layers;
  paths.push_back(bundle.post);
  for (const auto& path : paths) {
    std::error_code error;
    const uint64_t size_bytes = std::filesystem::file_size(path, error);
    if (error) {
      return Fail(ErrorKind::kIo, fmt::format("{}: {}", path.string(), error.message()));
    }
    files.sizes.push_back(size_bytes);
    files.total += size_bytes;
  }
  files.order.resize(files.sizes.size());
  std::iota(files.order.begin(), files.order.end(), size_t{0});
  const auto largest = std::max_element(files.sizes.begin(), files.sizes.end());
  const auto at = files.order.begin() + (largest - files.sizes.begin());
  std::rotate(files.order.begin(), at, at + 1);
  uint64_t loaded = 0;
  for (const size_t i : files.order) {
    loaded += files.sizes[i];
    files.peak = std::max(files.peak, loaded + files.sizes[i]);
  }
  return files;
}

uint64_t StepBytes(const LayerShape& shape, uint64_t rows, uint64_t mask_bytes) {
  return rows * (2 * shape.hidden * kElementBytes + 2 * shape.kv_width * kElementBytes +
                 shape.index_planes * sizeof(uint32_t)) +
         mask_bytes;
}

uint64_t RowMaskBytes(const LayerShape& shape) {
  return (uint64_t{shape.kv_rows()} + 1) * kElementBytes;
}

uint64_t CacheBytes(const LayerShape& shape) {
  return uint64_t{shape.cache_rows()} * shape.kv_width * kElementBytes;
}

// Caches and buffers, without the post model's few.
uint64_t WorkBytes(const LayerShape& shape, size_t layers) {
  uint64_t bytes = 2 * layers * CacheBytes(shape) + StepBytes(shape, 1, RowMaskBytes(shape));
  if (!shape.prefill.empty()) bytes += StepBytes(shape, shape.chunk(), shape.mask_bytes());
  return bytes;
}

// `free_bytes` absent: the card cannot tell. LoadFromFile keeps a second copy of a file on the card
// while it loads it; the caches are made when the last one is gone.
Status CheckMemory(std::optional<uint64_t> free_bytes, const Files& files, uint64_t work_bytes) {
  if (!free_bytes) return {};
  const uint64_t needed = std::max(files.peak, files.total + work_bytes);
  if (needed <= *free_bytes) return {};
  return Fail(ErrorKind::kNoMemory,
              fmt::format("the model does not fit on the card: it needs {} bytes ({:.0f} MiB) of "
                          "CMM, {} bytes ({:.0f} MiB) are free: unload other models or stop other "
                          "programs that use the card",
                          needed, Mib(needed), *free_bytes, Mib(*free_bytes)));
}

std::optional<device::Properties> ReadCard(device::Device& device) {
  auto properties = device.ReadProperties(device.card().id);
  if (properties) return *std::move(properties);
  log::Warn("npu", "free memory of the card is unknown: {}", properties.error().message);
  return std::nullopt;
}

// Zeroed: a NaN left in memory poisons a softmax even under the mask.
Status Make(Link& link, uint64_t size_bytes, Chain* chain, Buffer* out) {
  AX_ASSIGN_OR_RETURN(*out, Buffer::Allocate(link.device(), size_bytes));
  AX_RETURN_IF_ERROR(link.Done(link.device().Fill(out->address(), 0, size_bytes)));
  chain->cmm_bytes += size_bytes;
  return {};
}

Status MakeStep(Link& link, uint64_t rows, uint64_t mask_bytes, Chain* chain, StepBuffers* out) {
  const LayerShape& shape = chain->shape;
  for (Buffer& hidden : out->hidden) {
    AX_RETURN_IF_ERROR(Make(link, rows * shape.hidden * kElementBytes, chain, &hidden));
  }
  AX_RETURN_IF_ERROR(
      Make(link, rows * shape.index_planes * sizeof(uint32_t), chain, &out->indices));
  AX_RETURN_IF_ERROR(Make(link, mask_bytes, chain, &out->mask));
  AX_RETURN_IF_ERROR(Make(link, rows * shape.kv_width * kElementBytes, chain, &out->k_out));
  return Make(link, rows * shape.kv_width * kElementBytes, chain, &out->v_out);
}

// Binds layer `index` for one shape group. Sizes are the group's own, exactly.
Result<std::unique_ptr<device::Io>> BindLayer(const Chain& chain, size_t index,
                                              const StepGroup& group, const StepBuffers& buffers) {
  const Layer& layer = chain.layers[index];
  const LayerTensors& t = chain.shape.tensors;
  const device::GroupInfo& info = layer.model->groups()[group.index];
  AX_ASSIGN_OR_RETURN(std::unique_ptr<device::Io> io, layer.model->CreateIo());
  const auto in = [&](uint32_t tensor, const Buffer& buffer) {
    return io->BindInput(tensor, buffer.address(), info.inputs[tensor].size_bytes);
  };
  const auto out = [&](uint32_t tensor, const Buffer& buffer) {
    return io->BindOutput(tensor, buffer.address(), info.outputs[tensor].size_bytes);
  };
  AX_RETURN_IF_ERROR(in(t.k_cache, layer.k_cache));
  AX_RETURN_IF_ERROR(in(t.v_cache, layer.v_cache));
  AX_RETURN_IF_ERROR(in(t.indices, buffers.indices));
  AX_RETURN_IF_ERROR(in(t.input, buffers.hidden[index % 2]));
  AX_RETURN_IF_ERROR(in(t.mask, buffers.mask));
  AX_RETURN_IF_ERROR(out(t.k_out, buffers.k_out));
  AX_RETURN_IF_ERROR(out(t.v_out, buffers.v_out));
  AX_RETURN_IF_ERROR(out(t.output, buffers.hidden[(index + 1) % 2]));
  return io;
}

Status BindPost(Link& link, Chain* chain) {
  const device::GroupInfo& info = chain->post->groups()[0];
  AX_ASSIGN_OR_RETURN(chain->post_io, chain->post->CreateIo());
  AX_RETURN_IF_ERROR(chain->post_io->BindInput(
      chain->post_shape.input, chain->step.hidden[chain->layers.size() % 2].address(),
      info.inputs[chain->post_shape.input].size_bytes));
  for (uint32_t i = 0; i < info.outputs.size(); ++i) {
    Buffer buffer;
    AX_RETURN_IF_ERROR(Make(link, info.outputs[i].size_bytes, chain, &buffer));
    AX_RETURN_IF_ERROR(chain->post_io->BindOutput(i, buffer.address(), info.outputs[i].size_bytes));
    if (i == chain->post_shape.output) {
      chain->logits = std::move(buffer);
    } else {
      chain->post_scratch.push_back(std::move(buffer));
    }
  }
  return {};
}

Status MakeAndBind(Link& link, Chain* chain) {
  const LayerShape& shape = chain->shape;
  AX_RETURN_IF_ERROR(MakeStep(link, 1, RowMaskBytes(shape), chain, &chain->step));
  if (!shape.prefill.empty()) {
    AX_RETURN_IF_ERROR(MakeStep(link, shape.chunk(), shape.mask_bytes(), chain, &chain->chunk));
  }
  for (size_t i = 0; i < chain->layers.size(); ++i) {
    Layer& layer = chain->layers[i];
    AX_RETURN_IF_ERROR(Make(link, CacheBytes(shape), chain, &layer.k_cache));
    AX_RETURN_IF_ERROR(Make(link, CacheBytes(shape), chain, &layer.v_cache));
    for (const StepGroup& group : shape.decode) {
      AX_ASSIGN_OR_RETURN(auto io, BindLayer(*chain, i, group, chain->step));
      layer.decode.push_back(std::move(io));
    }
    for (const StepGroup& group : shape.prefill) {
      AX_ASSIGN_OR_RETURN(auto io, BindLayer(*chain, i, group, chain->chunk));
      layer.prefill.push_back(std::move(io));
    }
  }
  return BindPost(link, chain);
}

// What the bundle says against what the device says.
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

}  // namespace

Status BindStep(const Chain& chain, const Guard* guard) {
  const size_t layers = chain.layers.size();
  const uint64_t hidden_bytes = chain.shape.hidden * kElementBytes;
  const auto hidden = [&](size_t i) {
    return guard != nullptr ? guard->hidden(i) : chain.step.hidden[i % 2].address();
  };
  for (size_t i = 0; i < layers; ++i) {
    for (const auto& io : chain.layers[i].decode) {
      AX_RETURN_IF_ERROR(io->BindInput(chain.shape.tensors.input, hidden(i), hidden_bytes));
      AX_RETURN_IF_ERROR(io->BindOutput(chain.shape.tensors.output, hidden(i + 1), hidden_bytes));
    }
  }
  AX_RETURN_IF_ERROR(
      chain.post_io->BindInput(chain.post_shape.input, hidden(layers), hidden_bytes));
  return chain.post_io->BindOutput(chain.post_shape.output,
                                   guard != nullptr ? guard->logits() : chain.logits.address(),
                                   chain.logits.size_bytes());
}

Result<Chain> LoadChain(Link& link, const bundle::Bundle& bundle, const StopCheck& stop) {
  if (bundle.layout != bundle::Layout::kLayers) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} has the {} layout, which is not supported yet",
                            bundle.folder.string(), bundle::LayoutName(bundle.layout)));
  }
  device::Device& device = link.device();
  AX_ASSIGN_OR_RETURN(const Files files, MeasureFiles(bundle));
  // Reading properties leaves the thread without the device, hence before the binding.
  std::optional<device::Properties> card = ReadCard(device);
  std::optional<uint64_t> free_bytes;
  if (card) free_bytes = card->cmm_free_bytes;
  AX_RETURN_IF_ERROR(device.BindThread());
  AX_RETURN_IF_ERROR(CheckMemory(free_bytes, files, 0));

  Chain chain;
  if (card) chain.firmware = std::move(card->firmware);
  ProgressPage* const page = link.page();
  if (page != nullptr) {
    page->layers_total.store(static_cast<uint32_t>(files.sizes.size()));
    page->layers_loaded.store(0);
  }
  const auto load = [&](const std::filesystem::path& path,
                        uint64_t size_bytes) -> Result<std::unique_ptr<device::LoadedModel>> {
    if (stop && stop()) return Fail(ErrorKind::kCancelled, "stopped while loading");
    auto model = device.Load(path);
    (void)link.Done({});
    if (model) {
      chain.cmm_bytes += size_bytes;
      if (page != nullptr) page->layers_loaded.fetch_add(1);
    }
    return model;
  };

  chain.layers.resize(bundle.layers.size());
  bool have_shape = false;
  for (const size_t i : files.order) {
    if (i == bundle.layers.size()) {
      AX_ASSIGN_OR_RETURN(chain.post, load(bundle.post, files.sizes[i]));
      AX_ASSIGN_OR_RETURN(chain.post_shape,
                          ReadPostShape(chain.post->groups(), bundle.post.string()));
      continue;
    }
    const std::string name = bundle.layers[i].string();
    AX_ASSIGN_OR_RETURN(chain.layers[i].model, load(bundle.layers[i], files.sizes[i]));
    AX_ASSIGN_OR_RETURN(const LayerShape shape,
                        ReadLayerShape(chain.layers[i].model->groups(), name));
    if (have_shape) {
      AX_RETURN_IF_ERROR(CheckSameShape(chain.shape, shape, name));
      continue;
    }
    have_shape = true;
    chain.shape = shape;
    AX_RETURN_IF_ERROR(CheckBundle(bundle, shape));
    AX_RETURN_IF_ERROR(CheckMemory(free_bytes, files, WorkBytes(shape, bundle.layers.size())));
  }
  if (chain.post_shape.hidden != chain.shape.hidden) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("{}: its hidden size is {}, the layers' {}: it belongs to another model",
                    bundle.post.string(), chain.post_shape.hidden, chain.shape.hidden));
  }
  // A token without a row could be chosen, and then not be computed.
  if (bundle.embedding->tokens() < chain.post_shape.vocab) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("{}: the embedding table has {} rows, the model has {} tokens: the "
                    "table is cut or belongs to another model",
                    bundle.folder.string(), bundle.embedding->tokens(), chain.post_shape.vocab));
  }
  AX_RETURN_IF_ERROR(MakeAndBind(link, &chain));
  return chain;
}

}  // namespace axollama::npu
