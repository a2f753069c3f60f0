// The models that there are and those that are loaded: /, /api/version, /api/tags, /api/ps,
// /api/show.
#include <algorithm>
#include <cctype>

#include "api/models.h"
#include "api/options.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/routes.h"

namespace axollama::server {
namespace {

api::ModelDetails Details(const bundle::Bundle& bundle) {
  api::ModelDetails out;
  out.family = bundle.model_type;
  out.families = {bundle.model_type};
  if (bundle.parameters) out.parameter_size = api::FormatParameterSize(*bundle.parameters);
  out.quantization_level = bundle.weights;
  for (char& c : out.quantization_level) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  out.context_length = bundle.context_tokens.value_or(0);
  if (bundle.embedding) out.embedding_length = bundle.embedding->width();
  return out;
}

api::Options OwnOptions(const bundle::Bundle& bundle) {
  api::Options out;
  if (!bundle.stop_strings.empty()) out.stop = bundle.stop_strings;
  return out;
}

}  // namespace

void Routes::Root(const net::Request&, net::Responder& responder) {
  responder.Send(200, "text/plain; charset=utf-8", "Ollama is running");
}

void Routes::Version(const net::Request&, net::Responder& responder) {
  SendJson(responder, api::WriteVersion());
}

void Routes::Tags(const net::Request&, net::Responder& responder) {
  std::vector<api::TagEntry> models;
  for (const bundle::ModelRef& model : bundle::ListModels(models_->roots())) {
    const auto bundle = bundle::Open(model.folder);
    if (!bundle) {
      log::Debug("server", "{} is not listed: {}", model.name, bundle.error().message);
      continue;
    }
    api::TagEntry entry;
    entry.name = model.name;
    entry.modified_ns = bundle->modified_ns;
    entry.size_bytes = bundle->size_bytes;
    entry.digest = bundle::LookAtFolder(model.folder).digest;
    entry.details = Details(*bundle);
    entry.capabilities = {"completion"};
    models.push_back(std::move(entry));
  }
  SendJson(responder, api::WriteTags(std::move(models)));
}

void Routes::Ps(const net::Request&, net::Responder& responder) {
  std::vector<api::PsEntry> models;
  const int64_t now_ns = MonotonicNs();
  const int64_t wall_ns = WallNs();
  for (const Models::Loaded& loaded : models_->List()) {
    api::PsEntry entry;
    entry.name = loaded.model.name;
    entry.size_bytes = entry.size_vram_bytes = loaded.props.cmm_bytes;
    entry.digest = bundle::LookAtFolder(loaded.model.folder).digest;
    entry.details = Details(*loaded.bundle);
    entry.expires_ns = loaded.expires_ns == KeepAlive::kForever
                           ? KeepAlive::kForever
                           : wall_ns + (loaded.expires_ns - now_ns);
    entry.context_length = loaded.props.context_tokens;
    models.push_back(std::move(entry));
  }
  SendJson(responder, api::WritePs(std::move(models)));
}

void Routes::Show(const net::Request& request, net::Responder& responder) {
  const auto parsed = api::ParseShow(request.body);
  if (!parsed) return SendError(responder, parsed.error());
  const auto model = bundle::FindModel(models_->roots(), parsed->model);
  if (!model) return SendError(responder, model.error());
  const auto bundle = bundle::Open(model->folder);
  if (!bundle) return SendError(responder, bundle.error());

  // Of a loaded model the device's word counts, of others the bundle's.
  int64_t context = bundle->context_tokens.value_or(0);
  int64_t layers = bundle->layer_count;
  for (const Models::Loaded& loaded : models_->List()) {
    if (loaded.model.folder == model->folder) context = loaded.props.context_tokens;
  }
  api::ShowResponse show;
  show.parameters = api::FormatParameters(OwnOptions(*bundle));
  show.template_text = bundle->chat_template;
  show.system = bundle->system_prompt;
  show.details = Details(*bundle);
  show.details.context_length = context;
  show.capabilities = {"completion"};
  show.modified_ns = bundle->modified_ns;
  const std::string& family = bundle->model_type;
  show.model_info["general.architecture"] = family;
  show.model_info["general.basename"] = model->name.substr(0, model->name.find(':'));
  if (bundle->parameters) show.model_info["general.parameter_count"] = *bundle->parameters;
  if (context > 0) show.model_info[family + ".context_length"] = context;
  if (bundle->embedding) {
    show.model_info[family + ".embedding_length"] = bundle->embedding->width();
  }
  show.model_info[family + ".block_count"] = layers;
  SendJson(responder, api::WriteShow(model->name, std::move(show), parsed->verbose));
}

}  // namespace axollama::server
