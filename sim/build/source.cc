#include "sim/build/source.h"

#include <system_error>

#include "sim/build/gguf_source.h"

namespace axsim::build {

axollama::Result<std::unique_ptr<Source>> OpenSource(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return axollama::Fail(axollama::ErrorKind::kInvalid,
                          path.string() + " is a folder: give a GGUF file");
  }
  AX_ASSIGN_OR_RETURN(GgufSource source, GgufSource::Open(path));
  return std::make_unique<GgufSource>(std::move(source));
}

}  // namespace axsim::build
