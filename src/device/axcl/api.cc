#include "device/axcl/api.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include "device/library.h"

namespace axollama::device::axcl {

Result<std::shared_ptr<const Api>> Api::Load(Backend backend,
                                             const std::vector<std::string>& candidates,
                                             bool* not_found) {
  void* handle = nullptr;
  std::string reasons;
  for (const std::string& name : candidates) {
    handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) break;
    const char* reason = dlerror();
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", reason ? reason : name.c_str());
  }
  *not_found = handle == nullptr;
  if (handle == nullptr) return Fail(NoLibrary(backend, reasons));

  auto api = std::make_shared<Api>();
  std::string missing;
#define AXCL_LOOK_UP(name) \
  api->name = reinterpret_cast<decltype(api->name)>(dlsym(handle, "axcl" #name));
#define AXCL_REQUIRE(name) \
  AXCL_LOOK_UP(name)       \
  if (api->name == nullptr && missing.empty()) missing = "axcl" #name;
  AXCL_REQUIRED(AXCL_REQUIRE)
  AXCL_OPTIONAL(AXCL_LOOK_UP)
#undef AXCL_REQUIRE
#undef AXCL_LOOK_UP

  Dl_info where{};
  void* const any = reinterpret_cast<void*>(api->Init);
  api->path = any != nullptr && dladdr(any, &where) != 0 && where.dli_fname != nullptr
                  ? where.dli_fname
                  : candidates.front();
  if (!missing.empty()) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("{} has no function {}: it is not AXCL's runtime library, or of a "
                            "version that is not supported (2.25 to 3.10 are)",
                            api->path, missing));
  }
  api->simulated = dlsym(handle, "axsim_marker") != nullptr;
  return api;
}

}  // namespace axollama::device::axcl
