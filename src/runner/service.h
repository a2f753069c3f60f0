// The runner's routes: llama-server's protocol over the engine.
//
// GET /health, GET /props, POST /tokenize, /detokenize, /apply-template, /completion,
// /v1/embeddings. Until the model is there everything answers 503 "Loading model". Text becomes
// tokens, and templates become text, on the handlers' threads; only tokens reach the engine. A
// client that leaves is taken out of the engine's queue, or its generation stops. Owner: the
// runner's main; the engine must outlive it. Threads: any.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>

#include "engine/engine.h"
#include "net/server.h"
#include "runner/loader.h"

namespace axollama::runner {

class Service {
 public:
  // From now on requests are served.
  void SetModel(engine::Engine* engine, std::shared_ptr<const ModelInfo> info);

  void Handle(const net::Request& request, net::Responder& responder);

 private:
  struct Model {
    engine::Engine* engine = nullptr;
    std::shared_ptr<const ModelInfo> info;
  };
  void Completion(const Model& model, const net::Request& request, net::Responder& responder);

  std::mutex mutex_;
  Model model_;
};

}  // namespace axollama::runner
