// axollama-llama-server: a stock Ollama's way to models of `axollama serve`. Installed as
// PREFIX/lib/ollama/llama-server; docs/stock-ollama.md says how.

#include <cstdio>
#include <exception>

#include "shim/shim_main.h"

int main(int argc, char** argv) try {
  return axollama::shim::ShimMain(argc, argv);
} catch (const std::exception& error) {  // fmt throws when it cannot write
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
