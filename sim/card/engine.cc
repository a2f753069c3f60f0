#include "sim/card/engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "sim/card/disturb.h"
#include "sim/timing/execute_time.h"

namespace axsim::card {
namespace {

constexpr axclError kUnknownHandle = -1;  // as the card answers for a model it does not know
// Of a bound address; what model::Model::Run asks for.
constexpr uint64_t kMinAlignment = 2;

uint64_t TotalBytes(const std::vector<container::Tensor>& tensors) {
  uint64_t bytes = 0;
  for (const auto& tensor : tensors) bytes += tensor.size_bytes();
  return bytes;
}

// axclrtEngineInit was called.
bool IsReady(Session& session) {
  const std::lock_guard lock(session.mutex);
  return session.engine_ready;
}

}  // namespace

Engine& Engine::Get() {
  static auto* engine = new Engine;
  return *engine;
}

bool Engine::EnsureExecutor() {
  const std::lock_guard lock(mutex_);
  if (executor_ != nullptr) return true;
  const config::Config config = Driver::Get().config();
  auto executor = model::Executor::Create({.threads = config.threads, .isa = config.isa});
  if (!executor) {
    axollama::log::Error("axsim", "{}", executor.error().message);
    return false;
  }
  executor_ = std::move(*executor);
  return true;
}

void Engine::Shutdown() {
  const std::lock_guard lock(mutex_);
  executor_.reset();
}

axclError Engine::Finish(Session& session, Turn& turn, std::shared_ptr<LoadedModel> loaded,
                         std::span<const std::byte> bytes, bool over_the_bus, uint64_t* model_id) {
  auto model = model::Model::Load(bytes);
  if (!model) {
    axollama::log::Error("axsim", "cannot load a model: {}", model.error().message);
    return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  }
  loaded->model = std::move(*model);
  loaded->groups = std::make_shared<const Groups>(loaded->model->description().groups);
  loaded->compiler_version = loaded->model->description().compiler_version;
  loaded->file_bytes = bytes.size();
  for (const container::Group& group : *loaded->groups) {
    loaded->execute_ns.push_back(timing::ExecuteNs(loaded->model->description().program, group));
  }
  // Of a geometry there is nothing to load.
  if (!loaded->model->description().program.geometry) turn.EndLoad(bytes.size(), over_the_bus);
  turn.Wait();  // the load is under way, and its copy on the card, until then
  if (const axclError fault = DisturbLoadEnd(session); fault != AXCL_SUCC) return fault;
  if (!session.IsUsable()) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  const uint64_t id = next_id_.fetch_add(1);
  const std::lock_guard lock(session.mutex);
  session.models.emplace(id, std::move(loaded));
  *model_id = id;
  return AXCL_SUCC;
}

axclError Engine::LoadFromFile(Session& session, Turn& turn, const char* path, uint64_t* model_id) {
  auto loaded = std::make_shared<LoadedModel>();
  auto file = axollama::MappedFile::Open(path);
  if (!file) {
    axollama::log::Error("axsim", "{}", file.error().message);
    return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  }
  loaded->file = std::move(*file);
  const auto bytes = loaded->file.bytes();
  if (bytes.empty() || !IsReady(session)) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  const Books::LoadTurn load(*session.books);
  if (const axclError fault = DisturbLoad(session); fault != AXCL_SUCC) return fault;
  if (!EnsureExecutor()) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  // The library copies the file to the card, and the card makes its model of the copy.
  const uint64_t cmm_bytes = PageRound(bytes.size());
  if (!session.Take(2 * cmm_bytes)) {
    axollama::log::Warn("axsim", "no room on the card to load {}: {} bytes and a transient copy",
                        path, bytes.size());
    return AXCL_ERR_MEMORY_EXECUTE_FAIL;
  }
  loaded->cmm_bytes = cmm_bytes;
  const axclError code =
      Finish(session, turn, std::move(loaded), bytes, /*over_the_bus=*/true, model_id);
  if (session.IsUsable()) session.books->Give(code == AXCL_SUCC ? cmm_bytes : 2 * cmm_bytes);
  return code;
}

axclError Engine::LoadFromMemory(Session& session, Turn& turn, uint64_t address,
                                 uint64_t size_bytes, uint64_t* model_id) {
  Memory::Range range;
  if (!session.memory.Resolve(address, size_bytes, &range)) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  return LoadFromBytes(session, turn, range.bytes, model_id);
}

axclError Engine::LoadFromBytes(Session& session, Turn& turn, std::span<const std::byte> bytes,
                                uint64_t* model_id) {
  const uint64_t cmm_bytes = PageRound(bytes.size());
  if (!IsReady(session)) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  const Books::LoadTurn load(*session.books);
  if (const axclError fault = DisturbLoad(session); fault != AXCL_SUCC) return fault;
  if (!EnsureExecutor() || !session.Take(cmm_bytes)) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  auto loaded = std::make_shared<LoadedModel>();
  loaded->cmm_bytes = cmm_bytes;
  loaded->copy = Pages::Make(cmm_bytes);
  axclError code = AXCL_ERR_ENGINE_EXECUTE_FAIL;
  if (loaded->copy != nullptr) {
    const auto copy = loaded->copy->bytes().first(bytes.size());
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    code = Finish(session, turn, std::move(loaded), copy, /*over_the_bus=*/false, model_id);
  }
  if (code != AXCL_SUCC && session.IsUsable()) session.books->Give(cmm_bytes);
  return code;
}

axclError Engine::Unload(Session& session, uint64_t model_id) {
  std::shared_ptr<LoadedModel> loaded;
  {
    const std::lock_guard lock(session.mutex);
    const auto found = session.models.find(model_id);
    if (found == session.models.end()) return kUnknownHandle;
    loaded = std::move(found->second);
    session.models.erase(found);
  }
  if (session.IsUsable()) session.books->Give(loaded->cmm_bytes);
  return AXCL_SUCC;
}

std::shared_ptr<LoadedModel> Engine::Find(Session& session, uint64_t model_id) {
  const std::lock_guard lock(session.mutex);
  const auto found = session.models.find(model_id);
  return found == session.models.end() ? nullptr : found->second;
}

axclError Engine::CreateContext(Session& session, uint64_t model_id, uint64_t* context_id) {
  const auto loaded = Find(session, model_id);
  if (loaded == nullptr) return kUnknownHandle;
  const uint64_t id = next_id_.fetch_add(1);
  const std::lock_guard lock(session.mutex);
  loaded->contexts.insert(id);
  *context_id = id;
  return AXCL_SUCC;
}

uint64_t Engine::PlannedCmmBytes(uint64_t file_bytes, const Groups& groups) {
  uint64_t largest = 0;
  for (const auto& group : groups) {
    largest = std::max(largest, TotalBytes(group.inputs) + TotalBytes(group.outputs));
  }
  return PageRound(file_bytes) + PageRound(largest);
}

axclError Engine::Resolve(const Session& session, const std::vector<container::Tensor>& tensors,
                          const std::vector<Binding>& bindings,
                          std::vector<std::span<std::byte>>* spans) {
  if (bindings.size() < tensors.size()) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Binding& binding = bindings[i];
    const uint64_t needed_bytes = tensors[i].size_bytes();
    if (binding.size_bytes < needed_bytes) {
      axollama::log::Warn("axsim", "execute: {} is bound to {} bytes, but needs {}",
                          tensors[i].name, binding.size_bytes, needed_bytes);
      return AXCL_ERR_ENGINE_ILLEGAL_PARAM;
    }
    Memory::Range& range = ranges_.emplace_back();
    // The NPU reads what the address says; where nothing is, it faults.
    if (binding.address % kMinAlignment != 0 ||
        !session.memory.Resolve(binding.address, needed_bytes, &range)) {
      axollama::log::Warn("axsim", "execute: {} is bound to {:#x}, which is no memory of this card",
                          tensors[i].name, binding.address);
      return AXCL_ERR_ENGINE_EXECUTE_FAIL;
    }
    spans->push_back(range.bytes);
  }
  return AXCL_SUCC;
}

axclError Engine::Execute(Session& session, Turn& turn, uint64_t model_id, uint64_t context_id,
                          uint32_t group, const Io& io) {
  const auto loaded = Find(session, model_id);
  if (loaded == nullptr) return kUnknownHandle;
  {
    const std::lock_guard lock(session.mutex);
    if (!loaded->contexts.contains(context_id)) return kUnknownHandle;
    if (!session.engine_ready) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  }
  if (group >= loaded->groups->size()) return AXCL_ERR_ENGINE_ILLEGAL_PARAM;

  Books::NpuTurn npu(*session.books);
  turn.WaitForNpu(npu.free_at_ns());
  const int64_t begin_ns = axollama::MonotonicNs();
  axclError code = DisturbExecute(session, turn.queue());
  if (code == AXCL_SUCC) code = Compute(session, *loaded, group, io);
  if (code == AXCL_SUCC) {
    const double factor = SlowFactor(session);
    if (turn.costs().timed) {
      const int64_t end_ns = turn.EndAfter(
          static_cast<int64_t>(static_cast<double>(loaded->execute_ns[group]) * factor));
      npu.SetSpan(turn.start_ns(), end_ns);
    } else if (factor > 1) {
      Linger(session, turn.queue(), begin_ns, factor);
    }
  }
  // A card that was rebooted in between computed nothing.
  return session.IsUsable() ? code : AXCL_ERR_ENGINE_EXECUTE_FAIL;
}

axclError Engine::Compute(const Session& session, const LoadedModel& loaded, uint32_t group,
                          const Io& io) {
  const std::lock_guard lock(mutex_);
  if (executor_ == nullptr) return AXCL_ERR_ENGINE_EXECUTE_FAIL;  // finalised meanwhile
  const container::Group& shapes = (*loaded.groups)[group];
  axclError code = Resolve(session, shapes.inputs, io.inputs, &inputs_);
  if (code == AXCL_SUCC) code = Resolve(session, shapes.outputs, io.outputs, &outputs_);
  if (code == AXCL_SUCC) {
    const auto ran = loaded.model->Run(*executor_, group, inputs_, outputs_);
    if (!ran) {
      axollama::log::Error("axsim", "execute: {}", ran.error().message);
      code = AXCL_ERR_ENGINE_EXECUTE_FAIL;
    }
  }
  ranges_.clear();
  inputs_.clear();
  outputs_.clear();
  return code;
}

}  // namespace axsim::card
