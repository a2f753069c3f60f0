// What axollama needs of an NPU card, and nothing of how its vendor spells it.
//
// Implementations: axcl/ over a dlopen'ed libaxcl_rt.so (the vendor's, or the simulated card's),
// and axengine/ over libax_engine.so and libax_sys.so, on the SoC itself. Every failing call is an
// Error with the symbol's name, the code, its meaning, and what to do. Owner: the caller owns a
// Device; memory, models and IOs of it must be gone before it is. Threads: a Device is used by one
// thread at a time, which has called BindThread; ListCards and Open may be called from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::device {

enum class Backend { kAuto, kAxcl, kAxengine, kSim };

// "axcl", "axengine" or "sim", as /health and bench report it.
std::string_view BackendName(Backend backend);
// "" is kAuto; another word is kInvalid and the error lists the words.
Result<Backend> ParseBackend(std::string_view word);

// kAuto becomes kSim for a simulator bundle and kAxcl for any other (see Device::Open); a named
// backend stays.
Backend ChooseBackend(Backend wanted, bool simulator_bundle);

// kInvalid when a bundle compiled for one side would run on the other: NPU files on the simulated
// card, or simulator files on the NPU. `actual` is an open device's backend().
Status CheckFits(Backend actual, bool simulator_bundle);

// A device address. Interior addresses (base + offset) are good for copies and bindings.
struct Address {
  uint64_t value = 0;
  Address operator+(uint64_t offset_bytes) const { return {value + offset_bytes}; }
};

struct Card {
  int32_t id = 0;    // the library's id; may change after a reset
  uint64_t uid = 0;  // stays; names the card's lease. 0 until properties were read
};

struct Properties {
  uint64_t uid = 0;
  std::string firmware;
  std::string pci;  // "0000:01:00.0"; "on-board" on the SoC itself
  std::optional<double> temperature_c;
  uint64_t cmm_total_bytes = 0;
  uint64_t cmm_free_bytes = 0;
  std::optional<double> npu_percent;
  std::optional<double> cpu_percent;
};

enum class DataType { kNone, kInt8, kUint8, kInt32, kUint32, kBf16, kFp32, kOther };

struct TensorInfo {
  std::string name;
  DataType type = DataType::kNone;
  std::vector<int32_t> dims;
  uint64_t size_bytes = 0;
};

struct GroupInfo {
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
};

// Bound buffers for one group of one model. Binding is local to the host and cheap. Must be gone
// before its LoadedModel is.
class Io {
 public:
  virtual ~Io() = default;
  virtual Status BindInput(uint32_t index, Address address, uint64_t size_bytes) = 0;
  virtual Status BindOutput(uint32_t index, Address address, uint64_t size_bytes) = 0;
};

// A model file on the device. Freed (unloaded) by its destructor.
class LoadedModel {
 public:
  virtual ~LoadedModel() = default;
  virtual const std::vector<GroupInfo>& groups() const = 0;
  virtual std::string_view compiler_version() const = 0;
  virtual Result<std::unique_ptr<Io>> CreateIo() = 0;
  virtual Status Execute(uint32_t group, Io& io) = 0;
};

// Work that the device does in the order of the calls while the host goes on: one explicit stream.
// A call that succeeds promises only that the work was queued; work that fails later may be silent,
// so whoever reads a result checks that it was made. Host memory of a copy stays as it is, and
// everything named stays alive, until a Wait succeeded.
// Threads: the device's. Must be gone before anything it was given, and before its Device.
class Queue {
 public:
  virtual ~Queue() = default;  // waits for what is queued, unless a Wait has failed
  virtual Status CopyUp(Address to, std::span<const std::byte> from) = 0;
  virtual Status CopyDown(std::span<std::byte> to, Address from) = 0;
  virtual Status CopyOnDevice(Address to, Address from, uint64_t size_bytes) = 0;
  virtual Status Fill(Address address, uint8_t value, uint64_t size_bytes) = 0;
  // Takes the bindings of this moment. kUnavailable: the library has the function and refuses it.
  virtual Status Execute(LoadedModel& model, uint32_t group, Io& io) = 0;
  // Until everything queued is done. kTimeout: it still runs, and may write to host memory.
  virtual Status Wait(std::chrono::milliseconds limit) = 0;
};

class Device {
 public:
  struct Options {
    Backend backend = Backend::kAuto;
    std::optional<int32_t> id;  // default: the first of the list
    // "axollama-sim" in a bundle means the simulated card: decides kAuto. See ChooseBackend.
    bool simulator_bundle = false;
  };

  // Opens the library, initialises it and selects a card. The card itself is taken and its engine
  // started by the first BindThread, so that listing, properties and a reboot also work on a card
  // whose engine does not start any more. Library: AXOLLAMA_AXCL_LIB, else for kSim the one beside
  // the program, for kAxcl libaxcl_rt.so of the system; for kAxengine see axengine/api.h. kAuto
  // without a simulator bundle takes a card if there is one, else the SoC's own NPU.
  static Result<std::unique_ptr<Device>> Open(const Options& options);
  virtual ~Device() = default;  // releases everything in the vendor's order

  virtual Backend backend() const = 0;           // kSim whenever the library is ours
  virtual std::string_view library() const = 0;  // path of the library
  // What the library calls itself, "" when it does not say. A key for what was found out about it.
  virtual std::string_view library_version() const { return {}; }
  virtual const Card& card() const = 0;
  // Cards in the library's order.
  virtual Result<std::vector<Card>> ListCards() = 0;

  // Makes the calling thread the device's thread; the first call starts the card's engine.
  virtual Status BindThread() = 0;

  // Slow on a real card (remote shell commands) and unbinds the calling thread: only in the warden
  // and before a load, followed by BindThread.
  virtual Result<Properties> ReadProperties(int32_t id) = 0;
  // What this Device held on that card is gone afterwards; open a new one.
  virtual Status Reboot(int32_t id) = 0;

  // A failed allocation is kNoMemory and names the size.
  virtual Result<Address> Allocate(uint64_t size_bytes) = 0;
  virtual Status Free(Address address) = 0;
  virtual Status Fill(Address address, uint8_t value, uint64_t size_bytes) = 0;
  virtual Status CopyUp(Address to, std::span<const std::byte> from) = 0;
  virtual Status CopyDown(std::span<std::byte> to, Address from) = 0;
  virtual Status CopyOnDevice(Address to, Address from, uint64_t size_bytes) = 0;

  virtual Result<std::unique_ptr<LoadedModel>> Load(const std::filesystem::path& file) = 0;

  // An optional feature: kUnavailable where the library has no such functions.
  virtual Result<std::unique_ptr<Queue>> CreateQueue();
};

}  // namespace axollama::device
