#include "sim/build/source.h"

#include <system_error>

#include "sim/build/gguf_source.h"
#include "sim/build/hf_source.h"

namespace axsim::build {

axollama::Result<std::unique_ptr<Source>> OpenSource(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    AX_ASSIGN_OR_RETURN(HfSource source, HfSource::Open(path));
    return std::make_unique<HfSource>(std::move(source));
  }
  AX_ASSIGN_OR_RETURN(GgufSource source, GgufSource::Open(path));
  return std::make_unique<GgufSource>(std::move(source));
}

}  // namespace axsim::build
