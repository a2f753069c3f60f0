// The program of a simulated .axmodel: JSON. What is accepted is written and read back the same.
#include "sim/spec/program.h"

#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto program = axsim::spec::ParseProgram(fuzz::Text(data, size));
  if (!fuzz::Check(program)) return 0;
  const std::string text = axsim::spec::WriteProgram(*program);
  const auto again = axsim::spec::ParseProgram(text);
  fuzz::Require(again.has_value(), "a program that was written can be read");
  fuzz::Require(axsim::spec::WriteProgram(*again) == text, "a program is written the same again");
  return 0;
}
