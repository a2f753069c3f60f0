// Chat templates of Jinja's kind, from whoever made a model folder: the source, and after a line
// `---` what it is rendered with, else a conversation of ours.
#include "text/chat_template.h"
#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;
namespace text = axollama::text;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input = fuzz::Text(data, size);
  const size_t cut = input.find("\n---\n");
  const auto compiled = text::ChatTemplate::Compile(input.substr(0, cut));
  fuzz::Check(compiled);
  if (!compiled) return 0;
  fuzz::Check((*compiled)->Render(cut == input.npos ? fuzz::kConversation : input.substr(cut + 5)));
  return 0;
}
