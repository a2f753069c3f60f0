// What a runner reads from whoever reaches its socket.
#include "fuzz/input.h"
#include "runner/apply_template.h"
#include "runner/embeddings.h"
#include "runner/protocol.h"

namespace fuzz = axollama::fuzz;
namespace runner = axollama::runner;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  fuzz::Check(runner::ReadCompletion(text));
  fuzz::Check(runner::ReadTokenize(text));
  fuzz::Check(runner::ReadDetokenize(text));
  fuzz::Check(runner::ReadEmbeddings(text));
  fuzz::Check(runner::ReadApplyTemplate(text, "<s>", "</s>"));
  return 0;
}
