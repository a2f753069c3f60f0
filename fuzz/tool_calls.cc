// What a model writes: whole and byte by byte it must come to the same, for every dialect.
#include <cstdlib>

#include "dialect/parser.h"
#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;
namespace dialect = axollama::dialect;

namespace {

dialect::Output Parse(std::string_view words, std::string_view text, size_t step) {
  static const std::vector<dialect::Tool> kTools =
      dialect::ReadTools(
          R"([{"function":{"name":"f","parameters":{"properties":{"s":{"type":"string"}}}}},)"
          R"({"function":{"name":"g"}}])")
          .value();
  dialect::Parser parser(dialect::Choose(words, ""), {.tools = kTools});
  dialect::Output out;
  for (size_t i = 0; i < text.size(); i += step) parser.Push(text.substr(i, step), &out);
  parser.Finish(&out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  for (const std::string_view words :
       {"<tool_call> </think>", "<tool_call> <function=", "<|start_header_id|>", "[TOOL_CALLS]",
        "[TOOL_CALLS] [ARGS] [/THINK]", "<｜tool▁call▁begin｜>", "<start_of_turn>",
        "<|tool_call|>"}) {
    const dialect::Output whole = Parse(words, text, text.size() + 1);
    const dialect::Output bytes = Parse(words, text, 1);
    if (whole.thinking != bytes.thinking || whole.content != bytes.content) std::abort();
    if (whole.calls.size() != bytes.calls.size()) std::abort();
  }
  return 0;
}
