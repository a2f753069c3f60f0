#include "device/axengine/api.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include <vector>

#include "base/env.h"

namespace axollama::device::axengine {
namespace {

// Where the board's own image has them; the loader does not look there by itself.
constexpr char kBoardSys[] = "/soc/lib/libax_sys.so";
constexpr char kBoardInterpreter[] = "/soc/lib/libax_interpreter.so";
constexpr char kBoardEngine[] = "/soc/lib/libax_engine.so";

// Opens the first of `names` that can be; adds the loader's words about the others to `reasons`.
void* OpenFirst(const std::vector<std::string>& names, std::string* reasons) {
  for (const std::string& name : names) {
    void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return library;
    const char* reason = dlerror();
    *reasons += fmt::format("{}{}", reasons->empty() ? "" : "; ", reason ? reason : name.c_str());
  }
  return nullptr;
}

Error NoLibrary(std::string_view variable, bool forced, const std::string& reasons) {
  return {ErrorKind::kUnavailable,
          forced ? fmt::format("the library of {} cannot be opened: {}", variable, reasons)
                 : fmt::format("no on-board engine library, so this is no AX650 board: {}: on one, "
                               "name it in {}",
                               reasons, variable)};
}

}  // namespace

Result<std::shared_ptr<const Api>> Api::Load(bool* not_found) {
  if (not_found != nullptr) *not_found = true;
  const auto sys_path = GetEnv("AXOLLAMA_AX_SYS_LIB");
  const auto engine_path = GetEnv("AXOLLAMA_AX_ENGINE_LIB");
  std::string reasons;
  // The engine needs libax_sys.so itself: what is loaded first under that name is what it gets.
  void* sys = nullptr;
  if (sys_path) {
    sys = OpenFirst({*sys_path}, &reasons);
    if (sys == nullptr) return Fail(NoLibrary("AXOLLAMA_AX_SYS_LIB", true, reasons));
  }
  void* engine = OpenFirst({engine_path.value_or("libax_engine.so")}, &reasons);
  if (engine == nullptr && !engine_path) {
    // The board's engine does not say where the libraries lie that it needs.
    if (sys == nullptr) sys = OpenFirst({kBoardSys}, &reasons);
    std::string ignored;
    OpenFirst({kBoardInterpreter}, &ignored);
    engine = OpenFirst({kBoardEngine}, &reasons);
  }
  if (engine == nullptr) {
    return Fail(NoLibrary("AXOLLAMA_AX_ENGINE_LIB", engine_path.has_value(), reasons));
  }
  if (sys == nullptr) sys = OpenFirst({"libax_sys.so", kBoardSys}, &reasons);
  if (sys == nullptr) return Fail(NoLibrary("AXOLLAMA_AX_SYS_LIB", false, reasons));
  if (not_found != nullptr) *not_found = false;

  auto api = std::make_shared<Api>();
  std::string missing;
#define AX_LOOK_UP(library, part, prefix, name)                                              \
  api->part.name = reinterpret_cast<decltype(api->part.name)>(dlsym(library, prefix #name)); \
  if (api->part.name == nullptr && missing.empty()) missing = prefix #name;
#define AX_LOOK_UP_SYS(name) AX_LOOK_UP(sys, sys, "AX_SYS_", name)
#define AX_LOOK_UP_ENGINE(name) AX_LOOK_UP(engine, engine, "AX_ENGINE_", name)
  AX_SYS_FUNCTIONS(AX_LOOK_UP_SYS)
  AX_ENGINE_FUNCTIONS(AX_LOOK_UP_ENGINE)
#undef AX_LOOK_UP_ENGINE
#undef AX_LOOK_UP_SYS
#undef AX_LOOK_UP

  Dl_info where{};
  void* const any = reinterpret_cast<void*>(api->engine.Init);
  api->path = any != nullptr && dladdr(any, &where) != 0 && where.dli_fname != nullptr
                  ? where.dli_fname
                  : engine_path.value_or("libax_engine.so");
  if (!missing.empty()) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("{} and the libax_sys.so beside it have no function {}: they are not "
                            "AX650's, or of an SDK that is not supported (1.45 and newer are)",
                            api->path, missing));
  }
  api->simulated = dlsym(sys, "axsim_board_marker") != nullptr;
  return api;
}

}  // namespace axollama::device::axengine
