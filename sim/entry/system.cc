// The ABI's system calls: initialisation, versions, the log.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string>

#include "abi/axcl.h"
#include "base/log.h"
#include "sim/card/driver.h"
#include "sim/card/engine.h"
#include "sim/card/version.h"

const char axsim_marker[] = "axollama simulated card " AXOLLAMA_VERSION;

namespace {

using axsim::card::Driver;

constexpr size_t kPageBytes = 4096;
constexpr size_t kMaxArgumentBytes = 256u << 10;

// A C string that may be no string at all: some clients pass a pointer to an empty array. The
// kernel is asked to read it, so that memory which is not there ends the text and not the process.
std::string ReadArgument(const char* text) {
  std::string argument;
  int ends[2];
  if (text == nullptr || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return argument;
  bool complete = false;
  while (!complete && argument.size() < kMaxArgumentBytes) {
    const char* from = text + argument.size();
    char page[kPageBytes];
    const size_t size = kPageBytes - reinterpret_cast<uintptr_t>(from) % kPageBytes;
    // Not write(): sanitizers check what it reads.
    const long written = syscall(SYS_write, ends[1], from, size);
    if (written <= 0 || read(ends[0], page, static_cast<size_t>(written)) != written) break;
    const std::string_view chunk(page, static_cast<size_t>(written));
    const size_t end = chunk.find('\0');
    complete = end != std::string_view::npos;
    argument.append(chunk.substr(0, end));
  }
  close(ends[0]);
  close(ends[1]);
  return complete ? argument : std::string();
}

axollama::log::Level ToLevel(int32_t level) {
  using axollama::log::Level;
  switch (level) {
    case 0:
      return Level::kTrace;
    case 1:
      return Level::kDebug;
    case 2:
      return Level::kInfo;
    case 3:
      return Level::kWarn;
    case 6:
      return Level::kOff;
    default:
      return Level::kError;
  }
}

}  // namespace

extern "C" {

axclError axclInit(const char* config) {
  static std::once_flag once;
  std::call_once(once, [] { axollama::log::Init("axsim"); });
  return Driver::Get().Init(ReadArgument(config));
}

axclError axclFinalize(void) {
  bool last = false;
  const axclError code = Driver::Get().Finalize(&last);
  if (last) axsim::card::Engine::Get().Shutdown();
  return code;
}

axclError axclSetLogLevel(int32_t level) {
  if (level < 0 || level > 6) return AXCL_ERR_ILLEGAL_PARAM;
  axollama::log::SetLevel(ToLevel(level));
  return AXCL_SUCC;
}

void axclAppLog(int32_t level, const char* function, const char* file, uint32_t line,
                const char* format, ...) {
  if (format == nullptr) return;
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  const std::string where = fmt::format("{}:{} {}", file != nullptr ? file : "", line,
                                        function != nullptr ? function : "");
  if (level >= 0 && level < 6) axollama::log::Write(ToLevel(level), where, text);
}

axclError axclrtGetVersion(int32_t* major, int32_t* minor, int32_t* patch) {
  if (major == nullptr || minor == nullptr || patch == nullptr) return AXCL_ERR_NULL_POINTER;
  *major = axsim::card::kVersionMajor;
  *minor = axsim::card::kVersionMinor;
  *patch = axsim::card::kVersionPatch;
  return AXCL_SUCC;
}

const char* axclrtGetFullVersion(void) { return axsim::card::kLibraryVersion; }

const char* axclrtGetSocName(void) { return "AX650N"; }

}  // extern "C"
