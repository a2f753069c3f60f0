// The requests of every API that the server answers.
#include "api/anthropic.h"
#include "api/chat.h"
#include "api/embed.h"
#include "api/generate.h"
#include "api/models.h"
#include "api/openai_chat.h"
#include "api/openai_completions.h"
#include "api/prototype.h"
#include "api/responses.h"
#include "fuzz/input.h"

namespace api = axollama::api;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  const auto chat = api::ParseChat(text);
  if (fuzz::Check(chat)) {
    api::Resolve(chat->turn.options);
    api::FormatParameters(chat->turn.options);
  }
  fuzz::Check(api::ParseGenerate(text));
  fuzz::Check(api::ParseEmbed(text));
  fuzz::Check(api::ParseEmbeddings(text));
  fuzz::Check(api::ParseOpenAiEmbeddings(text));
  fuzz::Check(api::ParseShow(text));
  fuzz::Check(api::ParsePrototypeLoad(text));
  fuzz::Check(api::ParsePrototypeGenerate(text));
  fuzz::Check(api::ParseOpenAiChat(text));
  fuzz::Check(api::ParseOpenAiCompletion(text));
  fuzz::Check(api::ParseResponses(text));
  fuzz::Check(api::ParseAnthropic(text));
  fuzz::Check(api::ParseAnthropicCount(text));
  return 0;
}
