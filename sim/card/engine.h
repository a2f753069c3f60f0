// The card's engine: loaded models, their tensor tables, bindings and executes.
//
// Return codes are the vendor's. Model and context ids are numbers that are never used twice in a
// process. Executes of a process run one at a time, on the calling thread (queued ones on their
// stream's worker), and take the card's NPU from other processes for their duration.
// Owner: sessions own models; programs own IO infos and IOs, which outlive the model harmlessly.
// Threads: any, with a session that the caller resolved and a turn in one of its streams.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "sim/card/driver.h"
#include "sim/card/turn.h"
#include "sim/container/axmodel.h"
#include "sim/model/model.h"

namespace axsim::card {

using Groups = std::vector<container::Group>;

struct LoadedModel {
  // The file's bytes: mapped, or copied from device memory. They outlive `model`.
  axollama::MappedFile file;
  std::shared_ptr<const Pages> copy;
  std::unique_ptr<model::Model> model;
  std::shared_ptr<const Groups> groups;
  std::string compiler_version;
  uint64_t file_bytes = 0;
  uint64_t cmm_bytes = 0;
  std::vector<int64_t> execute_ns;  // of each group, where time is simulated
  axclrtEngineSet affinity = 0x7;   // the three cores
  std::set<uint64_t> contexts;
};

// What axclrtEngineGetIOInfo gives: a copy, so that it outlives the model.
struct IoInfo {
  std::shared_ptr<const Groups> groups;
  const container::Group& first() const { return groups->front(); }
};

struct Binding {
  uint64_t address = 0;
  uint64_t size_bytes = 0;
};

struct Io {
  std::vector<Binding> inputs;
  std::vector<Binding> outputs;
  uint32_t batch = 0;
};

class Engine {
 public:
  static Engine& Get();

  axclError LoadFromFile(Session& session, Turn& turn, const char* path, uint64_t* model_id);
  axclError LoadFromMemory(Session& session, Turn& turn, uint64_t address, uint64_t size_bytes,
                           uint64_t* model_id);
  // Of a file's bytes in the program's memory, which are copied.
  axclError LoadFromBytes(Session& session, Turn& turn, std::span<const std::byte> bytes,
                          uint64_t* model_id);
  axclError Unload(Session& session, uint64_t model_id);
  // nullptr: unknown in this session.
  std::shared_ptr<LoadedModel> Find(Session& session, uint64_t model_id);
  axclError CreateContext(Session& session, uint64_t model_id, uint64_t* context_id);
  axclError Execute(Session& session, Turn& turn, uint64_t model_id, uint64_t context_id,
                    uint32_t group, const Io& io);

  // The planned working set of a file or of a loaded model, larger than what it takes when idle.
  static uint64_t PlannedCmmBytes(uint64_t file_bytes, const Groups& groups);

  // Frees the executor and its threads; the next load makes a new one.
  void Shutdown();

  Handles<IoInfo>& infos() { return infos_; }
  Handles<Io>& ios() { return ios_; }

 private:
  Engine() = default;
  // Makes the executor if there is none. False: refused, and the log says why.
  bool EnsureExecutor();
  axclError Finish(Session& session, Turn& turn, std::shared_ptr<LoadedModel> loaded,
                   std::span<const std::byte> bytes, bool over_the_bus, uint64_t* model_id);
  // The CPU's work for an execute. What hangs or lingers does so outside, so that it holds up the
  // executes of its own card only.
  axclError Compute(const Session& session, const LoadedModel& loaded, uint32_t group,
                    const Io& io);
  // Resolves one side's bindings into `spans`, and their pages into `ranges_`.
  axclError Resolve(const Session& session, const std::vector<container::Tensor>& tensors,
                    const std::vector<Binding>& bindings, std::vector<std::span<std::byte>>* spans);

  std::mutex mutex_;  // one execute at a time; guards the executor and the scratch below
  std::unique_ptr<model::Executor> executor_;
  std::vector<Memory::Range> ranges_;
  std::vector<std::span<std::byte>> inputs_;
  std::vector<std::span<std::byte>> outputs_;

  std::atomic<uint64_t> next_id_{1};
  Handles<IoInfo> infos_{0x52};
  Handles<Io> ios_{0x53};
};

}  // namespace axsim::card
