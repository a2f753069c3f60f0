#include <fmt/core.h>

#include <string>
#include <utility>

#include "npu/chain.h"

namespace axollama::npu {
namespace {

uint64_t StepBytes(const LayerShape& shape, uint64_t rows, uint64_t mask_bytes) {
  return rows * (2 * shape.hidden * kElementBytes + 2 * shape.kv_width * kElementBytes +
                 shape.index_planes * sizeof(uint32_t)) +
         mask_bytes;
}

// Caches and buffers, without the post model's few.
uint64_t WorkBytes(const LayerShape& shape, size_t layers) {
  uint64_t bytes = 2 * layers * CacheBytes(shape) + StepBytes(shape, 1, RowMaskBytes(shape));
  if (!shape.prefill.empty()) bytes += StepBytes(shape, shape.chunk(), shape.mask_bytes());
  return bytes;
}

Status MakeStep(Loading* loading, const LayerShape& shape, uint64_t rows, uint64_t mask_bytes,
                StepBuffers* out) {
  for (Buffer& hidden : out->hidden) {
    AX_RETURN_IF_ERROR(loading->Make(rows * shape.hidden * kElementBytes, &hidden));
  }
  AX_RETURN_IF_ERROR(loading->Make(rows * shape.index_planes * sizeof(uint32_t), &out->indices));
  AX_RETURN_IF_ERROR(loading->Make(mask_bytes, &out->mask));
  AX_RETURN_IF_ERROR(loading->Make(rows * shape.kv_width * kElementBytes, &out->k_out));
  return loading->Make(rows * shape.kv_width * kElementBytes, &out->v_out);
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
  AX_RETURN_IF_ERROR(in(t.k_cache, layer.caches.k));
  AX_RETURN_IF_ERROR(in(t.v_cache, layer.caches.v));
  AX_RETURN_IF_ERROR(in(t.indices, buffers.indices));
  AX_RETURN_IF_ERROR(in(t.input, buffers.hidden[index % 2]));
  AX_RETURN_IF_ERROR(in(t.mask, buffers.mask));
  AX_RETURN_IF_ERROR(out(t.k_out, buffers.k_out));
  AX_RETURN_IF_ERROR(out(t.v_out, buffers.v_out));
  AX_RETURN_IF_ERROR(out(t.output, buffers.hidden[(index + 1) % 2]));
  return io;
}

Status BindPost(Loading* loading, Chain* chain) {
  const device::GroupInfo& info = chain->post->groups()[0];
  AX_ASSIGN_OR_RETURN(chain->post_io, chain->post->CreateIo());
  AX_RETURN_IF_ERROR(chain->post_io->BindInput(
      chain->post_shape.input, chain->step.hidden[chain->layers.size() % 2].address(),
      info.inputs[chain->post_shape.input].size_bytes));
  for (uint32_t i = 0; i < info.outputs.size(); ++i) {
    Buffer buffer;
    AX_RETURN_IF_ERROR(loading->Make(info.outputs[i].size_bytes, &buffer));
    AX_RETURN_IF_ERROR(chain->post_io->BindOutput(i, buffer.address(), info.outputs[i].size_bytes));
    if (i == chain->post_shape.output) {
      chain->logits = std::move(buffer);
    } else {
      chain->post_scratch.push_back(std::move(buffer));
    }
  }
  return {};
}

Status MakeAndBind(Loading* loading, Chain* chain) {
  const LayerShape& shape = chain->shape;
  AX_RETURN_IF_ERROR(MakeStep(loading, shape, 1, RowMaskBytes(shape), &chain->step));
  if (!shape.prefill.empty()) {
    AX_RETURN_IF_ERROR(MakeStep(loading, shape, shape.chunk(), shape.mask_bytes(), &chain->chunk));
  }
  for (size_t i = 0; i < chain->layers.size(); ++i) {
    Layer& layer = chain->layers[i];
    AX_RETURN_IF_ERROR(loading->Make(CacheBytes(shape), &layer.caches.k));
    AX_RETURN_IF_ERROR(loading->Make(CacheBytes(shape), &layer.caches.v));
    for (const StepGroup& group : shape.decode) {
      AX_ASSIGN_OR_RETURN(auto io, BindLayer(*chain, i, group, chain->step));
      layer.decode.push_back(std::move(io));
    }
    for (const StepGroup& group : shape.prefill) {
      AX_ASSIGN_OR_RETURN(auto io, BindLayer(*chain, i, group, chain->chunk));
      layer.prefill.push_back(std::move(io));
    }
  }
  return BindPost(loading, chain);
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
  const size_t layers = bundle.layers.size();
  std::vector<std::filesystem::path> files = bundle.layers;
  files.push_back(bundle.post);
  AX_ASSIGN_OR_RETURN(Loading loading, Loading::Begin(link, std::move(files), stop));
  Chain chain;
  chain.firmware = loading.firmware();
  chain.layers.resize(layers);
  bool have_shape = false;
  for (const size_t i : loading.order()) {
    const std::string name = loading.NameOf(i);
    AX_ASSIGN_OR_RETURN(std::unique_ptr<device::LoadedModel> model, loading.Load(i));
    if (i == layers) {
      chain.post = std::move(model);
      AX_ASSIGN_OR_RETURN(chain.post_shape, ReadPostShape(chain.post->groups(), name));
      continue;
    }
    chain.layers[i].model = std::move(model);
    AX_ASSIGN_OR_RETURN(const LayerShape shape,
                        ReadLayerShape(chain.layers[i].model->groups(), name));
    if (have_shape) {
      AX_RETURN_IF_ERROR(CheckSameShape(chain.shape, shape, name));
      continue;
    }
    have_shape = true;
    chain.shape = shape;
    AX_RETURN_IF_ERROR(CheckBundle(bundle, shape));
    AX_RETURN_IF_ERROR(loading.CheckMemory(WorkBytes(shape, layers)));
  }
  if (chain.post_shape.hidden != chain.shape.hidden) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("{}: its hidden size is {}, the layers' {}: it belongs to another model",
                    bundle.post.string(), chain.post_shape.hidden, chain.shape.hidden));
  }
  AX_RETURN_IF_ERROR(CheckWidth(bundle, chain.post_shape.width));
  AX_RETURN_IF_ERROR(MakeAndBind(&loading, &chain));
  chain.cmm_bytes = loading.cmm_bytes();
  return chain;
}

}  // namespace axollama::npu
