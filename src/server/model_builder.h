// Makes a model for the simulated card from uploaded files: `axollama sim build` in a process of
// its own, since such a build takes minutes and memory.
//
// Threads: a plain function on the handler's thread; one build at a time (kBusy otherwise).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/server.h"
#include "store/store.h"

namespace axollama::server {

// `files`: names and digests of blobs: one GGUF file, or a Hugging Face folder with safetensors.
// `quantize`: Ollama's names or ours; empty: s8. `context_tokens`: the builder's own when absent.
// `say` gets a word about each step. The uploaded blobs are removed once the model is made. Returns
// the model's folder in the store. kInvalid: the files are no model that can be built; kCancelled:
// the client has gone.
Result<std::filesystem::path> BuildModel(store::Store& store,
                                         const std::map<std::string, std::string>& files,
                                         const std::string& quantize,
                                         std::optional<int64_t> context_tokens,
                                         net::Responder& responder,
                                         const std::function<void(const std::string&)>& say);

// Which weights of ours ("s8", "s4", "bf16") stand for Ollama's quantization.
Result<std::string> WeightsFor(const std::string& quantize);

}  // namespace axollama::server
