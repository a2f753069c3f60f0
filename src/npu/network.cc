#include "npu/network.h"

#include <algorithm>

#include "npu/chain_network.h"
#include "npu/stack_network.h"

namespace axollama::npu {

Result<std::unique_ptr<Network>> Network::Load(Link& link, const bundle::Bundle& bundle,
                                               const StopCheck& stop) {
  if (bundle.layout == bundle::Layout::kLayers) return ChainNetwork::Load(link, bundle, stop);
  return StackNetwork::Load(link, bundle, stop);
}

Status Network::BindRows(bool on) {
  if (!on) return {};
  return Fail(ErrorKind::kUnavailable, "rows are copied into the caches");
}

Status Caches::Keep(Link& link, const LayerShape& shape, const Buffer& k_out, const Buffer& v_out,
                    uint32_t position, uint32_t rows) const {
  // The context's last position has no row: nothing comes after it.
  const uint32_t room = shape.kv_rows() - std::min(shape.kv_rows(), position);
  rows = std::min(rows, room);
  if (rows == 0) return {};
  const uint64_t row_bytes = shape.kv_width * kElementBytes;
  const uint64_t offset_bytes = position * row_bytes;
  AX_RETURN_IF_ERROR(
      link.CopyOnDevice(k.address() + offset_bytes, k_out.address(), rows * row_bytes));
  return link.CopyOnDevice(v.address() + offset_bytes, v_out.address(), rows * row_bytes);
}

}  // namespace axollama::npu
