// The models that there are and those that are loaded: /, /api/version, /api/status, /api/tags,
// /api/ps, /api/show.
#include <algorithm>
#include <cctype>
#include <optional>

#include "api/models.h"
#include "api/options.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/routes.h"
#include "server/served_model.h"

namespace axollama::server {
namespace {

// What is loaded, as the store has it now: the name that it was loaded by may be removed while
// another one has the folder.
std::optional<store::Model> StoredAs(store::Store& store, const bundle::ModelRef& loaded) {
  if (const auto name = store::Name::Parse(loaded.name)) {
    auto model = store.FindExactly(*name);
    if (model && model->folder == loaded.folder) return std::move(*model);
  }
  for (store::Model& model : store.List()) {
    if (model.folder == loaded.folder) return std::move(model);
  }
  return std::nullopt;
}

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

// What was written down for the model; what the server's settings add is not the model's.
api::Options ShownOptions(const store::Model& model, const bundle::Bundle& bundle) {
  api::Options out =
      api::ParseOptions({{"options", model.texts.parameters}}).value_or(api::Options());
  if (!out.stop && !bundle.stop_strings.empty()) out.stop = bundle.stop_strings;
  return out;
}

api::TagEntry Entry(const store::Model& model) {
  api::TagEntry entry;
  entry.name = model.name.Short();
  entry.modified_ns = model.modified_ns;
  entry.size_bytes = model.size_bytes;
  entry.digest = model.digest;
  return entry;
}

// GGUF's number of the form that is nearest to the weights'.
std::optional<int> FileType(std::string_view weights) {
  if (weights == "bf16") return 32;
  if (weights == "s8") return 7;  // as Q8_0
  if (weights == "s4") return 2;  // as Q4_0
  return std::nullopt;
}

// Under the keys of a GGUF file.
json::Object ModelInfo(const bundle::Bundle& bundle, std::string_view basename, int64_t context) {
  const std::string& family = bundle.model_type;
  json::Object info{{"general.architecture", family}, {"general.basename", basename}};
  if (bundle.parameters) info["general.parameter_count"] = *bundle.parameters;
  if (const auto type = FileType(bundle.weights)) info["general.file_type"] = *type;
  if (context > 0) info[family + ".context_length"] = context;
  if (bundle.embedding) {
    info[family + ".embedding_length"] = bundle.embedding->width();
    info[family + ".vocab_size"] = bundle.embedding->tokens();
  }
  info[family + ".block_count"] = bundle.layer_count;
  for (const auto& [key, value] : bundle.architecture) info[family + "." + key] = value;
  if (!bundle.eos_ids.empty()) info["tokenizer.ggml.eos_token_id"] = bundle.eos_ids.front();
  return info;
}

// What the card's files hold stays unknown; the embedding table stands beside them.
json::Array Tensors(const bundle::Bundle& bundle) {
  if (!bundle.embedding) return {};
  return {
      json::Object{{"name", "token_embd.weight"},
                   {"type", "BF16"},
                   {"shape", json::Array{bundle.embedding->width(), bundle.embedding->tokens()}}}};
}

}  // namespace

void Routes::Root(const net::Request&, net::Responder& responder) {
  responder.Send(200, "text/plain; charset=utf-8", "Ollama is running");
}

void Routes::Version(const net::Request&, net::Responder& responder) {
  SendJson(responder, api::WriteVersion());
}

// There is no cloud behind this server.
void Routes::CloudStatus(const net::Request&, net::Responder& responder) {
  SendJson(responder, R"({"cloud":{"disabled":true,"source":"config"}})");
}

// Ollama's are models of that cloud; its own command line asks for them.
void Routes::Recommendations(const net::Request&, net::Responder& responder) {
  SendJson(responder, R"({"recommendations":[]})");
}

void Routes::Tags(const net::Request& request, net::Responder& responder) {
  std::vector<api::TagEntry> models;
  for (const store::Model& model : models_->store().List()) {
    api::TagEntry entry = Entry(model);
    const auto facts = tags_.Get(model, [&]() -> Result<TagFacts> {
      AX_ASSIGN_OR_RETURN(const ServedModel served, ServedFrom(*models_, model));
      return TagFacts{Details(*served.bundle), CapabilityNames(served)};
    });
    if (facts) {
      entry.details = facts->details;
      entry.capabilities = facts->capabilities;
    } else if (model.stored) {
      // Listed all the same, so that it can be seen and removed.
      log::Debug("server", "{} cannot be used: {}", entry.name, facts.error().message);
    } else {
      log::Debug("server", "{} is not listed: {}", entry.name, facts.error().message);
      continue;
    }
    entry.details.parent_model = model.parent;
    models.push_back(std::move(entry));
  }
  SendJson(responder, WithTheirs(request, responder, "models", api::WriteTags(std::move(models))));
}

void Routes::Ps(const net::Request& request, net::Responder& responder) {
  std::vector<api::PsEntry> models;
  const int64_t now_ns = MonotonicNs();
  const int64_t wall_ns = WallNs();
  for (const Models::Loaded& loaded : models_->List()) {
    api::PsEntry entry;
    entry.size_bytes = entry.size_vram_bytes = loaded.props.cmm_bytes;
    const std::optional<store::Model> stored = StoredAs(models_->store(), loaded.model);
    // Of one that was loaded by its folder, or removed since.
    entry.name = stored ? stored->name.Short() : loaded.model.name;
    entry.digest = stored ? stored->digest : bundle::LookAtFolder(loaded.model.folder).digest;
    entry.details = Details(*loaded.bundle);
    if (stored) entry.details.parent_model = stored->parent;
    entry.expires_ns = loaded.expires_ns == KeepAlive::kForever
                           ? KeepAlive::kForever
                           : wall_ns + (loaded.expires_ns - now_ns);
    entry.context_length = loaded.props.context_tokens;
    models.push_back(std::move(entry));
  }
  SendJson(responder, WithTheirs(request, responder, "models", api::WritePs(std::move(models))));
}

void Routes::Show(const net::Request& request, net::Responder& responder) {
  const auto parsed = api::ParseShow(request.body);
  if (!parsed) return SendError(responder, parsed.error());
  const auto model = models_->store().Find(parsed->model);
  if (!model) return SendError(responder, model.error());
  const auto served = ServedFrom(*models_, *model);
  if (!served) return SendError(responder, served.error());
  const bundle::Bundle& bundle = *served->bundle;

  // Of a loaded model the device's word counts, of others the bundle's.
  int64_t context = bundle.context_tokens.value_or(0);
  for (const Models::Loaded& loaded : models_->List()) {
    if (loaded.model.folder == model->folder) context = loaded.props.context_tokens;
  }
  // Copilot shows this name to its user, who knows the one that was asked for.
  const bool copilot = request.headers.Get("User-Agent").starts_with("GitHubCopilotChat/");

  api::ShowResponse show;
  show.licenses = model->texts.licenses;
  const api::Options options = ShownOptions(*model, bundle);
  show.parameters = api::FormatParameters(options);
  show.modelfile_parameters = api::FormatParameters(api::Merge(parsed->options, options));
  show.template_text = served->go_template.value_or(bundle.chat_template);
  show.go_template = served->go_template;
  show.system = parsed->system.empty() ? served->system : parsed->system;
  show.messages = served->messages;
  show.required_version = model->texts.required_version;
  show.tensors = Tensors(bundle);
  show.details = Details(bundle);
  show.details.parent_model = model->parent;
  show.details.context_length = context;
  show.capabilities = CapabilityNames(*served);
  show.modified_ns = model->modified_ns;
  show.model_info = ModelInfo(bundle, copilot ? parsed->model : model->name.model, context);
  const std::string name = model->name.Short();
  SendJson(responder, api::WriteShow(name, model->parent.empty() ? name : model->parent,
                                     std::move(show), parsed->verbose));
}

}  // namespace axollama::server
