#include "sim/kernels/kernels.h"

#include <cstring>

#include "sim/kernels/scalar/scalar.h"
#ifdef AXSIM_HAS_X86
#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx512vnni/avx512vnni.h"
#endif
#ifdef AXSIM_HAS_ARM64
#include <sys/auxv.h>

#include "sim/kernels/neon/neon.h"
#include "sim/kernels/neon_dotprod/neon_dotprod.h"
#endif

namespace axsim::kernels {
namespace {

constexpr size_t kMaxTables = 4;

struct Registry {
  const Kernels* tables[kMaxTables] = {};
  const char* names[kMaxTables] = {};

  Registry() {
    size_t n = 0;
#ifdef AXSIM_HAS_X86
    // The compiler's check includes that the operating system saves the registers.
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (avx2 && avx512 && __builtin_cpu_supports("avx512vnni")) tables[n++] = &avx512vnni::kTable;
    if (avx2) tables[n++] = &avx2::kTable;
#endif
#ifdef AXSIM_HAS_ARM64
    constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP of the kernel's ABI
    if ((getauxval(AT_HWCAP) & kDotProducts) != 0) tables[n++] = &neon_dotprod::kTable;
    tables[n++] = &neon::kTable;
#endif
    tables[n++] = &scalar::kTable;
    for (size_t i = 0; i < n; ++i) names[i] = tables[i]->name;
  }
};

const Registry& TheRegistry() {
  static const Registry registry;
  return registry;
}

}  // namespace

const Kernels* Find(const char* name) {
  const Registry& registry = TheRegistry();
  if (std::strcmp(name, "auto") == 0) return registry.tables[0];
  for (const Kernels* table : registry.tables) {
    if (table != nullptr && std::strcmp(table->name, name) == 0) return table;
  }
  return nullptr;
}

const char* const* Available() { return TheRegistry().names; }

}  // namespace axsim::kernels
