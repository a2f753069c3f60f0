// `axollama-llama-server`: what a stock Ollama takes for its llama-server. It loads nothing itself;
// `axollama serve`, at AXOLLAMA_SERVER, does the work, and frees the card when this process is
// gone.
#pragma once

namespace axollama::shim {

int ShimMain(int argc, char** argv);

}  // namespace axollama::shim
