#include "runner/loader.h"

#include <utility>

#include "base/clock.h"
#include "base/env.h"
#include "base/log.h"
#include "bundle/bundle.h"
#include "device/gate.h"

namespace axollama::runner {

Result<Loaded> Load(const LoadRequest& request) {
  const int64_t start_ns = MonotonicNs();
  AX_ASSIGN_OR_RETURN(const bundle::Bundle bundle, bundle::Open(request.folder));
  for (const std::string& note : bundle.notes) log::Info("runner", "{}", note);

  auto info = std::make_shared<ModelInfo>();
  info->folder = bundle.folder.string();
  info->chat_template = bundle.chat_template;
  info->bos_token = bundle.bos_token;
  info->eos_token = bundle.eos_token;
  info->stop_strings = bundle.stop_strings;
  AX_ASSIGN_OR_RETURN(info->tokenizer, text::Tokenizer::Load(bundle.tokenizer));
  if (!bundle.chat_template.empty()) {
    AX_ASSIGN_OR_RETURN(info->compiled_template, text::ChatTemplate::Compile(bundle.chat_template));
  }

  Loaded loaded;
  engine::Parts& parts = loaded.parts;
  device::Device::Options options;
  options.backend = request.backend;
  options.id = request.device_id;
  options.simulator_bundle = bundle.simulator;
  AX_ASSIGN_OR_RETURN(parts.device, device::Device::Open(options));
  info->backend = device::BackendName(parts.device->backend());
  info->library = parts.device->library();
  info->card_id = parts.device->card().id;
  info->card_uid = parts.device->card().uid;
  if (info->card_uid == 0) {
    AX_ASSIGN_OR_RETURN(const device::Properties properties,
                        parts.device->ReadProperties(info->card_id));
    info->card_uid = properties.uid;
  }
  AX_RETURN_IF_ERROR(parts.device->BindThread());
  AX_ASSIGN_OR_RETURN(parts.gate, device::CardGate::Open(RuntimeDir(), info->card_uid));

  npu::LoadOptions load;
  load.progress = request.progress;
  load.gate = parts.gate.get();
  load.stop = request.stop;
  load.probes = HomeDir() / "probes";
  AX_ASSIGN_OR_RETURN(parts.model, npu::Model::Load(*parts.device, bundle, load));
  parts.tokenizer = info->tokenizer;
  parts.eos_ids = bundle.eos_ids;

  info->limits = parts.model->limits();
  info->grammars =
      std::make_unique<ModelGrammars>(info->tokenizer, info->limits.vocab, bundle.eos_ids);
  info->cmm_bytes = parts.model->cmm_bytes();
  info->queues = parts.model->queues();
  info->load_ms = static_cast<double>(MonotonicNs() - start_ns) / 1e6;
  log::Info("runner", "loaded {} on {} card {} in {:.1f} s: {} layers, context {}, {} MiB of CMM",
            info->folder, info->backend, info->card_id, info->load_ms / 1000, info->limits.layers,
            info->limits.context_tokens, info->cmm_bytes >> 20);
  loaded.info = std::move(info);
  return loaded;
}

}  // namespace axollama::runner
