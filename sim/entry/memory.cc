// The ABI's memory calls.
#include <cstdlib>
#include <cstring>

#include "abi/axcl.h"
#include "sim/card/disturb.h"
#include "sim/card/memory.h"
#include "sim/entry/call.h"

namespace {

using axsim::card::IsDeviceAddress;
using axsim::card::Memory;
using axsim::card::Session;
using axsim::card::Turn;
using axsim::entry::Address;
using axsim::entry::Call;
using axsim::entry::Pointer;
using axsim::entry::Submit;

Call MemoryCall() { return Call(AXCL_ERR_MEMORY_EXECUTE_FAIL); }

axclError Allocate(void** device, size_t size) {
  if (device == nullptr) return AXCL_ERR_MEMORY_NULL;
  *device = nullptr;
  const Call call = MemoryCall();
  if (!call.ok()) return call.code();
  if (size == 0 || !call.session().Take(size)) return AXCL_ERR_MEMORY_EXECUTE_FAIL;
  const uint64_t address = call.session().memory.Allocate(size);
  if (address == 0) {
    call.session().books->Give(size);
    return AXCL_ERR_MEMORY_EXECUTE_FAIL;
  }
  *device = Pointer(address);
  return AXCL_SUCC;
}

// The card keeps no cache here: what remains of a flush is its check.
axclError CheckBase(void* device, size_t size) {
  if (device == nullptr) return AXCL_ERR_MEMORY_NULL;
  const Call call = MemoryCall();
  if (!call.ok()) return call.code();
  const auto block_bytes = call.session().memory.SizeOfBase(Address(device));
  if (!block_bytes) return AXCL_ERR_MEMORY_NOT_DEVICE;
  return size <= *block_bytes ? AXCL_SUCC : AXCL_ERR_MEMORY_EXECUTE_FAIL;
}

// What the calls do in their turn, now or queued.

axclError Fill(const Session& session, Turn& turn, void* device, uint8_t value, size_t count) {
  Memory::Range range;
  if (!session.memory.Resolve(Address(device), count, &range)) return AXCL_ERR_MEMORY_NOT_DEVICE;
  std::memset(range.bytes.data(), value, count);
  turn.End(turn.costs().MemoryNs(count));
  return AXCL_SUCC;
}

// The vendor's library takes physical host addresses only from its own drivers.
bool IsSupported(axclrtMemcpyKind kind) {
  return kind >= AXCL_MEMCPY_HOST_TO_HOST && kind <= AXCL_MEMCPY_DEVICE_TO_DEVICE;
}

axclError Copy(const Session& session, Turn& turn, void* to, const void* from, size_t count,
               axclrtMemcpyKind kind) {
  const bool to_device = kind == AXCL_MEMCPY_HOST_TO_DEVICE || kind == AXCL_MEMCPY_DEVICE_TO_DEVICE;
  const bool from_device =
      kind == AXCL_MEMCPY_DEVICE_TO_HOST || kind == AXCL_MEMCPY_DEVICE_TO_DEVICE;
  Memory::Range target;
  Memory::Range source;
  const Memory& memory = session.memory;
  if ((to_device && !memory.Resolve(Address(to), count, &target)) ||
      (from_device && !memory.Resolve(Address(from), count, &source))) {
    return AXCL_ERR_MEMORY_NOT_DEVICE;
  }
  // A device address in the place of a host one: the DMA has nothing to read.
  if ((!to_device && IsDeviceAddress(Address(to))) ||
      (!from_device && IsDeviceAddress(Address(from)))) {
    return AXCL_ERR_MEMORY_EXECUTE_FAIL;
  }
  std::memmove(to_device ? target.bytes.data() : to, from_device ? source.bytes.data() : from,
               count);
  if (!to_device && !from_device) {
    turn.EndAtOnce();
  } else if (to_device && from_device) {
    turn.End(turn.costs().MemoryNs(2 * count));
  } else {
    if (from_device) axsim::card::DisturbRead(session, {static_cast<std::byte*>(to), count});
    turn.End(turn.costs().BusNs(count));
  }
  return AXCL_SUCC;
}

axclError Compare(const Session& session, Turn& turn, const void* device1, const void* device2,
                  size_t count) {
  Memory::Range first;
  Memory::Range second;
  if (!session.memory.Resolve(Address(device1), count, &first) ||
      !session.memory.Resolve(Address(device2), count, &second)) {
    return AXCL_ERR_MEMORY_NOT_DEVICE;
  }
  const bool equal = std::memcmp(first.bytes.data(), second.bytes.data(), count) == 0;
  turn.End(turn.costs().MemoryNs(2 * count));
  return equal ? AXCL_SUCC : AXCL_ERR_FAIL;
}

}  // namespace

extern "C" {

axclError axclrtMalloc(void** device, size_t size, axclrtMemMallocPolicy) {
  return Allocate(device, size);
}

axclError axclrtMallocCached(void** device, size_t size, axclrtMemMallocPolicy) {
  return Allocate(device, size);
}

axclError axclrtFree(void* device) {
  if (device == nullptr) return AXCL_ERR_MEMORY_NULL;
  const Call call = MemoryCall();
  if (!call.ok()) return call.code();
  const auto freed_bytes = call.session().memory.Free(Address(device));
  if (!freed_bytes) return AXCL_ERR_MEMORY_NOT_DEVICE;
  call.session().books->Give(*freed_bytes);
  return AXCL_SUCC;
}

axclError axclrtMemFlush(void* device, size_t size) { return CheckBase(device, size); }

axclError axclrtMemInvalidate(void* device, size_t size) { return CheckBase(device, size); }

axclError axclrtMallocHost(void** host, size_t size) {
  if (host == nullptr) return AXCL_ERR_MEMORY_NULL;
  *host = size == 0 ? nullptr : std::malloc(size);
  return *host != nullptr ? AXCL_SUCC : AXCL_ERR_MEMORY_EXECUTE_FAIL;
}

axclError axclrtFreeHost(void* host) {
  if (host == nullptr) return AXCL_ERR_MEMORY_NULL;
  std::free(host);
  return AXCL_SUCC;
}

axclError axclrtMemset(void* device, uint8_t value, size_t count) {
  if (device == nullptr) return AXCL_ERR_MEMORY_NULL;
  const Call call = MemoryCall();
  return call.ok() ? Fill(call.session(), call.turn(), device, value, count) : call.code();
}

axclError axclrtMemcpy(void* to, const void* from, size_t count, axclrtMemcpyKind kind) {
  if (to == nullptr || from == nullptr) return AXCL_ERR_MEMORY_NULL;
  const Call call = MemoryCall();
  if (!call.ok()) return call.code();
  if (!IsSupported(kind)) return AXCL_ERR_UNSUPPORT;
  return Copy(call.session(), call.turn(), to, from, count, kind);
}

axclError axclrtMemcmp(const void* device1, const void* device2, size_t count) {
  if (device1 == nullptr || device2 == nullptr) return AXCL_ERR_MEMORY_NULL;
  const Call call = MemoryCall();
  return call.ok() ? Compare(call.session(), call.turn(), device1, device2, count) : call.code();
}

axclError axclrtMemsetAsync(void* device, uint8_t value, size_t count, axclrtStream stream) {
  if (device == nullptr) return AXCL_ERR_MEMORY_NULL;
  return Submit(stream,
                [=](Session& session, Turn& turn) { Fill(session, turn, device, value, count); });
}

axclError axclrtMemcpyAsync(void* to, const void* from, size_t count, axclrtMemcpyKind kind,
                            axclrtStream stream) {
  if (kind == AXCL_MEMCPY_HOST_TO_HOST) return AXCL_ERR_UNSUPPORT;
  if (to == nullptr || from == nullptr) return AXCL_ERR_MEMORY_NULL;
  if (!IsSupported(kind)) return AXCL_ERR_UNSUPPORT;
  return Submit(stream,
                [=](Session& session, Turn& turn) { Copy(session, turn, to, from, count, kind); });
}

// The vendor's library gives nobody the result either.
axclError axclrtMemcmpAsync(const void* device1, const void* device2, size_t count,
                            axclrtStream stream) {
  if (device1 == nullptr || device2 == nullptr) return AXCL_ERR_MEMORY_NULL;
  return Submit(stream, [=](Session& session, Turn& turn) {
    Compare(session, turn, device1, device2, count);
  });
}

}  // extern "C"
