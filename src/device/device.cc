#include "device/device.h"

#include <fmt/core.h>

#include <system_error>

#include "base/env.h"
#include "device/axcl/axcl_device.h"
#include "device/axengine/axengine_device.h"
#include "device/library.h"

namespace axollama::device {

namespace fs = std::filesystem;

std::string_view BackendName(Backend backend) {
  switch (backend) {
    case Backend::kAxcl:
      return "axcl";
    case Backend::kAxengine:
      return "axengine";
    case Backend::kSim:
      return "sim";
    case Backend::kAuto:
      break;
  }
  return "auto";
}

Result<Backend> ParseBackend(std::string_view word) {
  if (word.empty()) return Backend::kAuto;
  if (word == "axcl") return Backend::kAxcl;
  if (word == "sim") return Backend::kSim;
  if (word == "axengine") return Backend::kAxengine;
  return Fail(ErrorKind::kInvalid, fmt::format("unknown device \"{}\": use axcl (a card), axengine "
                                               "(the SoC itself) or sim (the simulated card)",
                                               word));
}

Backend ChooseBackend(Backend wanted, bool simulator_bundle) {
  if (wanted != Backend::kAuto) return wanted;
  return simulator_bundle ? Backend::kSim : Backend::kAxcl;
}

Status CheckFits(Backend actual, bool simulator_bundle) {
  if (actual == Backend::kSim && !simulator_bundle) {
    return Fail(ErrorKind::kInvalid,
                "this model was compiled for the NPU and cannot run on the simulated card: use a "
                "card (--device axcl) or the SoC (--device axengine), or build a simulator bundle "
                "with `axollama sim build`");
  }
  if (actual != Backend::kSim && simulator_bundle) {
    return Fail(ErrorKind::kInvalid,
                "this model was built for the simulated card and cannot run on the NPU: use "
                "--device sim, or compile it with `pulsar2 llm_build`");
  }
  return {};
}

std::vector<std::string> LibraryCandidates(Backend backend) {
  if (auto forced = GetEnv("AXOLLAMA_AXCL_LIB")) return {*forced};
  if (backend != Backend::kSim) return {"libaxcl_rt.so", "/usr/lib/axcl/libaxcl_rt.so"};
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  return {(folder / "sim" / "libaxcl_rt.so").string(),
          (folder.parent_path() / "lib" / "axollama" / "libaxcl_rt.so").string()};
}

Error NoLibrary(Backend backend, const std::string& reasons) {
  if (GetEnv("AXOLLAMA_AXCL_LIB")) {
    return {ErrorKind::kUnavailable,
            fmt::format("the library of AXOLLAMA_AXCL_LIB cannot be opened: {}", reasons)};
  }
  if (backend == Backend::kSim) {
    return {ErrorKind::kUnavailable,
            fmt::format("the simulated card's library is missing: {}: build axollama whole, or "
                        "name the library in AXOLLAMA_AXCL_LIB",
                        reasons)};
  }
  return {ErrorKind::kUnavailable,
          fmt::format("no AXCL library, so no card can be used: {}: install AXERA's axclhost "
                      "package (driver and /usr/lib/axcl), or name the library in "
                      "AXOLLAMA_AXCL_LIB; without a card, `axollama sim build` makes models for "
                      "the simulated one",
                      reasons)};
}

Result<std::unique_ptr<Queue>> Device::CreateQueue() {
  return Fail(ErrorKind::kUnavailable, fmt::format("{} cannot queue work", library()));
}

Result<std::unique_ptr<Device>> Device::Open(const Options& options) {
  const Backend backend = ChooseBackend(options.backend, options.simulator_bundle);
  const bool on_board = backend == Backend::kAxengine;
  const bool forced = on_board ? GetEnv("AXOLLAMA_AX_ENGINE_LIB").has_value()
                               : GetEnv("AXOLLAMA_AXCL_LIB").has_value();
  // With a library of the user's choice the backend is known only once it is open.
  // `simulator_bundle` false says nothing: the warden opens cards without any bundle.
  if (backend != Backend::kSim && options.simulator_bundle && !forced) {
    AX_RETURN_IF_ERROR(CheckFits(backend, true));
  }
  if (on_board) return axengine::OpenDevice(options.id);
  bool no_card = false;
  auto card = axcl::OpenDevice(backend, options.id, &no_card);
  if (card || !no_card || backend != Backend::kAxcl || options.backend != Backend::kAuto ||
      forced) {
    return card;
  }
  // A card that is there but does not work is an error; where there is none, this may be the SoC.
  bool no_board = false;
  auto board = axengine::OpenDevice(options.id, &no_board);
  if (board || !no_board) return board;
  return card;
}

}  // namespace axollama::device
