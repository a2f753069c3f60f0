// The ABI's engine calls: models, contexts, executes.
#include "sim/card/engine.h"

#include <memory>
#include <span>

#include "abi/axcl.h"
#include "base/file.h"
#include "sim/entry/call.h"

namespace {

using axsim::card::Engine;
using axsim::card::IoInfo;
using axsim::card::LoadedModel;
using axsim::card::Memory;
using axsim::entry::Address;
using axsim::entry::Call;
using axsim::faults::Kind;

constexpr axclError kUnknownHandle = -1;
constexpr axclrtEngineSet kAllCores = 0x7;
// What a handle takes of the card's own Linux.
constexpr int64_t kHandleSystemBytes = 64 << 10;

Call EngineCall() { return Call(AXCL_ERR_ENGINE_EXECUTE_FAIL); }

// Calls `use` with the model, which the session keeps meanwhile.
template <typename Use>
axclError WithModel(uint64_t model_id, const Use& use) {
  if (model_id == 0) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  const auto loaded = Engine::Get().Find(call.session(), model_id);
  if (loaded == nullptr) return kUnknownHandle;
  return use(call.session(), *loaded);
}

// Calls `use` with the description of a file on the host, or of one in device memory.
template <typename Use>
axclError WithDescription(std::span<const std::byte> bytes, const Use& use) {
  const auto description = axsim::container::Read(bytes);
  if (!description) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  return use(*description);
}
template <typename Use>
axclError WithFile(const char* path, const Use& use) {
  if (path == nullptr) return AXCL_ERR_ENGINE_NULL;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  const auto file = axollama::MappedFile::Open(path);
  if (!file) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  const auto bytes = file->bytes();
  return WithDescription(bytes, [&](const auto& model) { return use(bytes.size(), model); });
}
template <typename Use>
axclError WithMemory(const void* device, uint64_t size, const Use& use) {
  if (device == nullptr || size == 0) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  Memory::Range range;
  if (!call.session().memory.Resolve(Address(device), size, &range)) {
    return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  }
  return WithDescription(range.bytes, [&](const auto& model) { return use(size, model); });
}

axclError StoreUsage(uint64_t file_bytes, const axsim::card::Groups& groups, int64_t* system_size,
                     int64_t* cmm_size) {
  *system_size = kHandleSystemBytes;
  *cmm_size = static_cast<int64_t>(Engine::PlannedCmmBytes(file_bytes, groups));
  return AXCL_SUCC;
}

}  // namespace

extern "C" {

axclError axclrtEngineInit(axclrtEngineVNpuKind kind) {
  if (kind < AXCL_VNPU_DISABLE || kind > AXCL_VNPU_LITTLE_BIG) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  const std::lock_guard lock(call.session().mutex);
  call.session().engine_ready = true;
  call.session().vnpu = kind;
  return AXCL_SUCC;
}

axclError axclrtEngineGetVNpuKind(axclrtEngineVNpuKind* kind) {
  if (kind == nullptr) return AXCL_ERR_ENGINE_NULL;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  const std::lock_guard lock(call.session().mutex);
  if (!call.session().engine_ready) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  *kind = call.session().vnpu;
  return AXCL_SUCC;
}

axclError axclrtEngineFinalize(void) {
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  const std::lock_guard lock(call.session().mutex);
  call.session().engine_ready = false;
  return AXCL_SUCC;
}

axclError axclrtEngineLoadFromFile(const char* path, uint64_t* model_id) {
  if (path == nullptr || model_id == nullptr) return AXCL_ERR_ENGINE_NULL;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  return Engine::Get().LoadFromFile(call.session(), call.turn(), path, model_id);
}

axclError axclrtEngineLoadFromMem(const void* device, uint64_t size, uint64_t* model_id) {
  if (device == nullptr || size == 0) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  if (model_id == nullptr) return AXCL_ERR_ENGINE_NULL;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  return Engine::Get().LoadFromMemory(call.session(), call.turn(), Address(device), size, model_id);
}

axclError axclrtEngineUnload(uint64_t model_id) {
  if (model_id == 0) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  return Engine::Get().Unload(call.session(), model_id);
}

const char* axclrtEngineGetModelCompilerVersion(uint64_t model_id) {
  const char* version = nullptr;
  WithModel(model_id, [&version](auto&, const LoadedModel& loaded) {
    version = loaded.compiler_version.c_str();
    return AXCL_SUCC;
  });
  return version;
}

axclError axclrtEngineSetAffinity(uint64_t model_id, axclrtEngineSet set) {
  if (set == 0 || set > kAllCores) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  return WithModel(model_id, [set](axsim::card::Session& session, LoadedModel& loaded) {
    const std::lock_guard lock(session.mutex);
    loaded.affinity = set;
    return AXCL_SUCC;
  });
}

axclError axclrtEngineGetAffinity(uint64_t model_id, axclrtEngineSet* set) {
  if (set == nullptr) return AXCL_ERR_ENGINE_NULL;
  return WithModel(model_id, [set](axsim::card::Session& session, const LoadedModel& loaded) {
    const std::lock_guard lock(session.mutex);
    *set = loaded.affinity;
    return AXCL_SUCC;
  });
}

// Not supported by the vendor's library either.
axclError axclrtEngineSetContextAffinity(uint64_t, uint64_t, axclrtEngineSet) {
  return AXCL_ERR_ENGINE_UNSUPPORTED;
}

axclError axclrtEngineGetContextAffinity(uint64_t, uint64_t, axclrtEngineSet*) {
  return AXCL_ERR_ENGINE_UNSUPPORTED;
}

axclError axclrtEngineGetUsage(const char* path, int64_t* system_size, int64_t* cmm_size) {
  if (system_size == nullptr || cmm_size == nullptr) return AXCL_ERR_ENGINE_NULL;
  return WithFile(path, [=](uint64_t bytes, const axsim::container::Model& model) {
    return StoreUsage(bytes, model.groups, system_size, cmm_size);
  });
}

axclError axclrtEngineGetUsageFromMem(const void* device, uint64_t size, int64_t* system_size,
                                      int64_t* cmm_size) {
  if (system_size == nullptr || cmm_size == nullptr) return AXCL_ERR_ENGINE_NULL;
  return WithMemory(device, size, [=](uint64_t bytes, const axsim::container::Model& model) {
    return StoreUsage(bytes, model.groups, system_size, cmm_size);
  });
}

axclError axclrtEngineGetUsageFromModelId(uint64_t model_id, int64_t* system_size,
                                          int64_t* cmm_size) {
  if (system_size == nullptr || cmm_size == nullptr) return AXCL_ERR_ENGINE_NULL;
  return WithModel(model_id, [=](auto&, const LoadedModel& loaded) {
    return StoreUsage(loaded.file_bytes, *loaded.groups, system_size, cmm_size);
  });
}

// Our models use the whole NPU.
axclError axclrtEngineGetModelType(const char* path, axclrtEngineModelKind* kind) {
  if (kind == nullptr) return AXCL_ERR_ENGINE_NULL;
  return WithFile(path, [kind](uint64_t, const auto&) {
    *kind = AXCL_MODEL_TYPE_3CORE;
    return AXCL_SUCC;
  });
}

axclError axclrtEngineGetModelTypeFromMem(const void* device, uint64_t size,
                                          axclrtEngineModelKind* kind) {
  if (kind == nullptr) return AXCL_ERR_ENGINE_NULL;
  return WithMemory(device, size, [kind](uint64_t, const auto&) {
    *kind = AXCL_MODEL_TYPE_3CORE;
    return AXCL_SUCC;
  });
}

axclError axclrtEngineGetModelTypeFromModelId(uint64_t model_id, axclrtEngineModelKind* kind) {
  if (kind == nullptr) return AXCL_ERR_ENGINE_NULL;
  return WithModel(model_id, [kind](auto&, const LoadedModel&) {
    *kind = AXCL_MODEL_TYPE_3CORE;
    return AXCL_SUCC;
  });
}

axclError axclrtEngineGetIOInfo(uint64_t model_id, axclrtEngineIOInfo* info) {
  if (info == nullptr) return AXCL_ERR_ENGINE_NULL;
  return WithModel(model_id, [info](auto&, const LoadedModel& loaded) {
    *info = Engine::Get().infos().Add(std::make_shared<IoInfo>(IoInfo{loaded.groups}));
    return AXCL_SUCC;
  });
}

axclError axclrtEngineCreateContext(uint64_t model_id, uint64_t* context_id) {
  if (model_id == 0) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  if (context_id == nullptr) return AXCL_ERR_ENGINE_NULL;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  return Engine::Get().CreateContext(call.session(), model_id, context_id);
}

axclError axclrtEngineExecute(uint64_t model_id, uint64_t context_id, uint32_t group,
                              axclrtEngineIO io) {
  if (model_id == 0 || context_id == 0) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  if (io == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto bindings = Engine::Get().ios().Find(io);
  if (bindings == nullptr) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  const Call call = EngineCall();
  if (!call.ok()) return call.code();
  return Engine::Get().Execute(call.session(), call.turn(), model_id, context_id, group, *bindings);
}

// The bindings are those of this moment, as in the vendor's library, which sends them along: the
// program may bind anew at once. Without a stream it is queued on the default one.
axclError axclrtEngineExecuteAsync(uint64_t model_id, uint64_t context_id, uint32_t group,
                                   axclrtEngineIO io, axclrtStream stream) {
  if (model_id == 0 || context_id == 0) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  if (io == nullptr) return AXCL_ERR_ENGINE_NULL;
  const auto bindings = Engine::Get().ios().Find(io);
  if (bindings == nullptr) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  if (stream == nullptr) {
    const auto context = axsim::card::Driver::Get().CurrentContext();
    if (context == nullptr) return AXCL_ERR_CONTEXT_NOT_BOUND;
    stream = context->default_stream;
  }
  // Before V3.10.2 the vendor's library has the function, which only says no.
  const auto found = axsim::card::Driver::Get().FindStream(stream);
  if (found != nullptr && found->context->session->faults->Fire(Kind::kAsyncUnsupported)) {
    return AXCL_ERR_UNSUPPORT;
  }
  return axsim::entry::Submit(stream, [model_id, context_id, group, copy = *bindings](
                                          axsim::card::Session& session, axsim::card::Turn& turn) {
    if (session.faults->Fire(Kind::kSilentAsync)) return;
    Engine::Get().Execute(session, turn, model_id, context_id, group, copy);
  });
}

}  // extern "C"
