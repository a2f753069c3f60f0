// What the supervisor reads from a runner: a stream's lines, whole answers, properties, errors.
#include "api/completion.h"
#include "api/embed.h"
#include "api/runner.h"
#include "fuzz/input.h"

namespace api = axollama::api;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  fuzz::Check(api::ParseCompletionLine(text));
  fuzz::Check(api::ParseProps(text));
  fuzz::Check(api::ParseTokens(text));
  fuzz::Check(api::ParseContent(text));
  fuzz::Check(api::ParsePrompt(text));
  fuzz::Check(api::ParseRunnerEmbedding(text));
  fuzz::CheckError(api::ParseRunnerError(500, text));
  return 0;
}
