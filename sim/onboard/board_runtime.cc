// The runtime of AX_ENGINE_*: the simulated card's engine, called directly.
#include "sim/onboard/board_runtime.h"

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "abi/ax_engine.h"
#include "sim/card/disturb.h"
#include "sim/card/engine.h"
#include "sim/card/turn.h"
#include "sim/card/version.h"
#include "sim/onboard/board.h"
#include "sim/timing/costs.h"

namespace axsim::onboard {
namespace {

using card::Engine;
using card::LoadedModel;
using engine_abi::Buffer;
using engine_abi::Description;
using engine_abi::Tensor;

constexpr uint32_t kAllCores = 0x7;

// Here there is no bus, whatever the profile says of the card.
const timing::Costs& CostsOf(const card::Session& session) {
  return session.costs.timed ? *timing::FindCosts("native") : session.costs;
}

// One call: has its turn among the process's calls, as on the NPU.
class Call {
 public:
  Call() : context_(Board::Get().context()) {
    if (context_ == nullptr) return;
    const timing::Costs& costs = CostsOf(session());
    const int64_t asked_ns = card::Turn::Ask(costs);
    if (!context_->default_queue->Begin()) {
      context_ = nullptr;
      return;
    }
    card::DisturbCall(session());
    if (session().IsUsable()) {
      turn_.emplace(costs, *context_->default_queue, card::TurnKind::kCall, asked_ns);
    }
  }
  ~Call() {
    turn_.reset();  // its time passes before the next has its turn
    if (context_ != nullptr) context_->default_queue->End();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  bool ok() const { return turn_.has_value(); }
  card::Session& session() const { return *context_->session; }
  card::Turn& turn() { return *turn_; }

 private:
  std::shared_ptr<card::Context> context_;
  std::optional<card::Turn> turn_;
};

int32_t FromAxcl(axclError code) {
  constexpr axclError kUnknownHandle = -1;
  if (code == AXCL_SUCC) return 0;
  return code == kUnknownHandle ? AX_ENGINE_ERR_HANDLE : AX_ENGINE_ERR_RUN;
}

// Calls `use` with the session and the model.
template <typename Use>
int32_t WithModel(uint64_t model, const Use& use) {
  const Call call;
  if (!call.ok()) return AX_ENGINE_ERR_INIT;
  const auto loaded = Engine::Get().Find(call.session(), model);
  return loaded == nullptr ? AX_ENGINE_ERR_HANDLE : use(call.session(), *loaded);
}

bool CopySide(const std::vector<container::Tensor>& from, std::vector<Tensor>* to) {
  for (const container::Tensor& tensor : from) {
    const uint64_t size_bytes = tensor.size_bytes();
    if (size_bytes > std::numeric_limits<uint32_t>::max()) return false;
    to->push_back({tensor.name, engine_abi::FromAxclType(static_cast<int32_t>(tensor.type)),
                   tensor.dims, static_cast<uint32_t>(size_bytes)});
  }
  return true;
}

class BoardRuntime final : public engine_abi::Runtime {
 public:
  const char* version() const override { return card::kFirmwareVersion.data(); }

  int32_t Start(AX_ENGINE_NPU_MODE_T mode) override {
    const Call call;
    if (!call.ok()) return AX_ENGINE_ERR_INIT;
    const std::lock_guard lock(call.session().mutex);
    call.session().engine_ready = true;
    call.session().vnpu = static_cast<axclrtEngineVNpuKind>(mode);  // the same numbers
    return 0;
  }
  int32_t GetMode(AX_ENGINE_NPU_MODE_T* mode) override {
    const Call call;
    if (!call.ok()) return AX_ENGINE_ERR_INIT;
    const std::lock_guard lock(call.session().mutex);
    if (!call.session().engine_ready) return AX_ENGINE_ERR_INIT;
    *mode = static_cast<AX_ENGINE_NPU_MODE_T>(call.session().vnpu);
    return 0;
  }
  int32_t Stop() override {
    const Call call;
    if (!call.ok()) return AX_ENGINE_ERR_INIT;
    const std::lock_guard lock(call.session().mutex);
    if (!std::exchange(call.session().engine_ready, false)) return AX_ENGINE_ERR_INIT;
    return 0;
  }

  void Reset() override {
    const Call call;
    if (call.ok()) call.session().needs_reset.store(false);
  }

  // Our models use the whole NPU.
  int32_t GetModelType(const void* data, uint32_t size, AX_ENGINE_MODEL_TYPE_T* type) override {
    const auto bytes = std::span(static_cast<const std::byte*>(data), size);
    if (!container::Read(bytes)) return AX_ENGINE_ERR_RUN;
    *type = AX_ENGINE_MODEL_TYPE2;
    return 0;
  }
  int32_t GetModelType(uint64_t model, AX_ENGINE_MODEL_TYPE_T* type) override {
    return WithModel(model, [type](card::Session&, LoadedModel&) {
      *type = AX_ENGINE_MODEL_TYPE2;
      return 0;
    });
  }

  int32_t Load(const void* data, uint32_t size, uint64_t* model) override {
    Call call;
    if (!call.ok()) return AX_ENGINE_ERR_INIT;
    const auto bytes = std::span(static_cast<const std::byte*>(data), size);
    return FromAxcl(Engine::Get().LoadFromBytes(call.session(), call.turn(), bytes, model));
  }
  int32_t Unload(uint64_t model) override {
    const Call call;
    if (!call.ok()) return AX_ENGINE_ERR_INIT;
    return FromAxcl(Engine::Get().Unload(call.session(), model));
  }
  int32_t Describe(uint64_t model, Description* description) override {
    return WithModel(model, [description](card::Session&, const LoadedModel& loaded) {
      for (const container::Group& group : *loaded.groups) {
        auto& copy = description->groups.emplace_back();
        if (!CopySide(group.inputs, &copy.inputs) || !CopySide(group.outputs, &copy.outputs)) {
          return AX_ENGINE_ERR_RUN;
        }
      }
      description->compiler_version = loaded.compiler_version;
      return 0;
    });
  }
  int32_t GetCmmBytes(uint64_t model, uint64_t* bytes) override {
    return WithModel(model, [bytes](card::Session&, const LoadedModel& loaded) {
      *bytes = Engine::PlannedCmmBytes(loaded.file_bytes, *loaded.groups);
      return 0;
    });
  }
  int32_t SetAffinity(uint64_t model, uint32_t set) override {
    if (set == 0 || set > kAllCores) return AX_ENGINE_ERR_RUN;
    return WithModel(model, [set](card::Session& session, LoadedModel& loaded) {
      const std::lock_guard lock(session.mutex);
      loaded.affinity = set;
      return 0;
    });
  }
  int32_t GetAffinity(uint64_t model, uint32_t* set) override {
    return WithModel(model, [set](card::Session& session, const LoadedModel& loaded) {
      const std::lock_guard lock(session.mutex);
      *set = loaded.affinity;
      return 0;
    });
  }
  int32_t CreateContext(uint64_t model, uint64_t* context) override {
    const Call call;
    if (!call.ok()) return AX_ENGINE_ERR_INIT;
    return FromAxcl(Engine::Get().CreateContext(call.session(), model, context));
  }
  int32_t Run(uint64_t model, uint64_t context, uint32_t group, std::span<const Buffer> inputs,
              std::span<const Buffer> outputs) override {
    Call call;
    if (!call.ok()) return AX_ENGINE_ERR_INIT;
    thread_local card::Io io;  // kept, so that a run allocates nothing
    io.inputs.clear();
    io.outputs.clear();
    for (const Buffer& buffer : inputs) io.inputs.push_back({buffer.address, buffer.size_bytes});
    for (const Buffer& buffer : outputs) io.outputs.push_back({buffer.address, buffer.size_bytes});
    return FromAxcl(Engine::Get().Execute(call.session(), call.turn(), model, context, group, io));
  }
};

}  // namespace
}  // namespace axsim::onboard

extern "C" {

axsim::engine_abi::Runtime* axsim_board_runtime(void) {
  static auto* runtime = new axsim::onboard::BoardRuntime;
  return runtime;
}

}  // extern "C"
