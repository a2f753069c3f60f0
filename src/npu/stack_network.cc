#include "npu/stack_network.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace axollama::npu {

Result<std::unique_ptr<Network>> StackNetwork::Load(Link& link, const bundle::Bundle& bundle,
                                                    const StopCheck& stop) {
  std::vector<std::filesystem::path> files = {bundle.decode};
  if (bundle.prefill != bundle.decode) files.push_back(bundle.prefill);
  AX_ASSIGN_OR_RETURN(Loading loading, Loading::Begin(link, std::move(files), stop));
  auto network = std::make_unique<StackNetwork>(link, loading.firmware());
  AX_RETURN_IF_ERROR(network->Start(&loading, bundle));
  return network;
}

StackNetwork::StackNetwork(Link& link, std::string firmware)
    : Network(std::move(firmware)), link_(link) {}

Status StackNetwork::Start(Loading* loading, const bundle::Bundle& bundle) {
  files_.resize(loading->order().size());
  for (const size_t i : loading->order()) {
    AX_ASSIGN_OR_RETURN(files_[i], loading->Load(i));
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < files_.size(); ++i) names.push_back(loading->NameOf(i));
  std::vector<NamedGroups> groups;
  for (size_t i = 0; i < files_.size(); ++i) groups.push_back({files_[i]->groups(), names[i]});
  AX_ASSIGN_OR_RETURN(shape_, ReadStackShape(groups));
  AX_RETURN_IF_ERROR(CheckBundle(bundle, shape()));
  AX_RETURN_IF_ERROR(CheckWidth(bundle, width()));
  AX_RETURN_IF_ERROR(loading->CheckMemory(WorkBytes()));

  raw_logits_.resize(row_bytes());
  AX_RETURN_IF_ERROR(MakeBuffers(loading, 1, RowMaskBytes(shape()), &step_));
  if (!shape().prefill.empty()) {
    AX_RETURN_IF_ERROR(MakeBuffers(loading, shape().chunk(), shape().mask_bytes(), &chunk_));
  }
  caches_.resize(layers());
  for (Caches& caches : caches_) {
    AX_RETURN_IF_ERROR(loading->Make(CacheBytes(shape()), &caches.k));
    AX_RETURN_IF_ERROR(loading->Make(CacheBytes(shape()), &caches.v));
  }
  for (const StepGroup& group : shape().decode) {
    AX_ASSIGN_OR_RETURN(auto io, Bind(group, step_));
    decode_.push_back(std::move(io));
  }
  for (const StepGroup& group : shape().prefill) {
    AX_ASSIGN_OR_RETURN(auto io, Bind(group, chunk_));
    prefill_.push_back(std::move(io));
  }
  cmm_bytes_ = loading->cmm_bytes();
  return {};
}

uint64_t StackNetwork::WorkBytes() const {
  const auto of_rows = [&](uint64_t rows, uint64_t mask_bytes) {
    return rows * (shape().hidden * kElementBytes + shape().index_planes * sizeof(uint32_t) +
                   row_bytes() + 2 * layers() * shape().kv_width * kElementBytes) +
           mask_bytes;
  };
  uint64_t bytes = 2 * layers() * CacheBytes(shape()) + of_rows(1, RowMaskBytes(shape()));
  if (!shape().prefill.empty()) bytes += of_rows(shape().chunk(), shape().mask_bytes());
  return bytes;
}

Status StackNetwork::MakeBuffers(Loading* loading, uint64_t rows, uint64_t mask_bytes,
                                 Buffers* out) const {
  AX_RETURN_IF_ERROR(loading->Make(rows * shape().hidden * kElementBytes, &out->input));
  AX_RETURN_IF_ERROR(loading->Make(rows * shape().index_planes * sizeof(uint32_t), &out->indices));
  AX_RETURN_IF_ERROR(loading->Make(mask_bytes, &out->mask));
  AX_RETURN_IF_ERROR(loading->Make(rows * row_bytes(), &out->logits));
  out->k_out.resize(layers());
  out->v_out.resize(layers());
  for (uint32_t i = 0; i < layers(); ++i) {
    const uint64_t size_bytes = rows * shape().kv_width * kElementBytes;
    AX_RETURN_IF_ERROR(loading->Make(size_bytes, &out->k_out[i]));
    AX_RETURN_IF_ERROR(loading->Make(size_bytes, &out->v_out[i]));
  }
  return {};
}

// Sizes are the group's own, exactly.
Result<std::unique_ptr<device::Io>> StackNetwork::Bind(const StepGroup& group,
                                                       const Buffers& buffers) const {
  const StackShape::Place place = shape_.PlaceOf(group);
  const StackTensors& t = shape_.files[place.file];
  const device::GroupInfo& info = files_[place.file]->groups()[place.group];
  AX_ASSIGN_OR_RETURN(std::unique_ptr<device::Io> io, files_[place.file]->CreateIo());
  const auto in = [&](uint32_t tensor, const Buffer& buffer) {
    return io->BindInput(tensor, buffer.address(), info.inputs[tensor].size_bytes);
  };
  const auto out = [&](uint32_t tensor, const Buffer& buffer) {
    return io->BindOutput(tensor, buffer.address(), info.outputs[tensor].size_bytes);
  };
  AX_RETURN_IF_ERROR(in(t.input, buffers.input));
  AX_RETURN_IF_ERROR(in(t.indices, buffers.indices));
  AX_RETURN_IF_ERROR(in(t.mask, buffers.mask));
  AX_RETURN_IF_ERROR(out(t.logits, buffers.logits));
  for (uint32_t i = 0; i < layers(); ++i) {
    AX_RETURN_IF_ERROR(in(t.layers[i].k_cache, caches_[i].k));
    AX_RETURN_IF_ERROR(in(t.layers[i].v_cache, caches_[i].v));
    AX_RETURN_IF_ERROR(out(t.layers[i].k_out, buffers.k_out[i]));
    AX_RETURN_IF_ERROR(out(t.layers[i].v_out, buffers.v_out[i]));
  }
  return io;
}

Status StackNetwork::Run(const StepGroup& group, device::Io& io, const Buffers& buffers,
                         uint32_t position, uint32_t rows) {
  const StackShape::Place place = shape_.PlaceOf(group);
  AX_RETURN_IF_ERROR(link_.Execute(*files_[place.file], place.group, io));
  for (uint32_t i = 0; i < layers(); ++i) {
    AX_RETURN_IF_ERROR(
        caches_[i].Keep(link_, shape(), buffers.k_out[i], buffers.v_out[i], position, rows));
  }
  return {};
}

Status StackNetwork::RunStep(const StepGroup& group, uint32_t position) {
  const size_t variant = static_cast<size_t>(&group - shape().decode.data());
  return Run(group, *decode_[variant], step_, position, 1);
}

Status StackNetwork::RunChunk(const StepGroup& group, uint32_t position, size_t valid,
                              const StopCheck& stop) {
  if (stop && stop()) return Fail(ErrorKind::kCancelled, "stopped while reading the prompt");
  const size_t variant = static_cast<size_t>(&group - shape().prefill.data());
  AX_RETURN_IF_ERROR(
      Run(group, *prefill_[variant], chunk_, position, static_cast<uint32_t>(valid)));
  return Check(chunk_.logits, valid - 1);
}

Status StackNetwork::Arm(const Buffer& logits, size_t row) {
  if (!link_.queues()) return {};
  guard_.Begin(row_bytes());
  return guard_.Arm(link_, logits.address() + row * row_bytes());
}

Status StackNetwork::Check(const Buffer& logits, size_t row) {
  if (!link_.queues()) return {};
  return guard_.Collect(link_, logits.address() + row * row_bytes());
}

Result<std::span<const std::byte>> StackNetwork::Collect(const Buffer& logits, size_t row) {
  const device::Address from = logits.address() + row * row_bytes();
  if (link_.queues()) {
    AX_RETURN_IF_ERROR(guard_.CollectRow(link_, from, raw_logits_));
  } else {
    AX_RETURN_IF_ERROR(link_.CopyDown(raw_logits_, from));
  }
  return raw_logits_;
}

}  // namespace axollama::npu
