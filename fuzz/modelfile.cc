// Modelfiles, the shape of Go templates, and the requests that change models.
#include "api/modelfile.h"

#include "api/manage.h"
#include "fuzz/input.h"

namespace api = axollama::api;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  fuzz::Check(api::CheckGoTemplate(text));
  fuzz::Check(api::ParseCreate(text));
  fuzz::Check(api::ParseCopy(text));
  fuzz::Check(api::ParseNamed(text));
  const auto commands = api::ParseModelfile(text);
  if (!fuzz::Check(commands)) return 0;
  for (const api::ModelfileCommand& command : *commands) {
    if (command.parameter) fuzz::Check(api::ParseParameter(command.name, command.value));
  }
  return 0;
}
