#include "server/served_model.h"

#include <utility>

#include "dialect/dialect.h"

namespace axollama::server {

Result<ServedModel> FindServed(Models& models, std::string_view name) {
  AX_ASSIGN_OR_RETURN(const store::Model stored, models.store().Find(name));
  return ServedFrom(models, stored);
}

Result<ServedModel> ServedFrom(Models& models, bundle::ModelRef ref) {
  ServedModel served;
  // Reading a folder costs milliseconds: of one that is loaded that was done.
  for (const Models::Loaded& loaded : models.List()) {
    if (loaded.model.folder == ref.folder) served.bundle = loaded.bundle;
  }
  if (!served.bundle) {
    AX_ASSIGN_OR_RETURN(bundle::Bundle bundle, bundle::Open(ref.folder));
    served.bundle = std::make_shared<const bundle::Bundle>(std::move(bundle));
  }
  served.ref = std::move(ref);
  served.system = served.bundle->system_prompt;
  if (models.default_context_tokens() > 0) {
    served.parameters.num_ctx = models.default_context_tokens();
  }
  return served;
}

Result<ServedModel> ServedFrom(Models& models, const store::Model& stored) {
  AX_ASSIGN_OR_RETURN(ServedModel served,
                      ServedFrom(models, bundle::ModelRef{stored.name.Short(), stored.folder}));
  const store::Texts& texts = stored.texts;
  if (!texts.system.empty()) served.system = texts.system;
  served.go_template = texts.go_template;
  AX_ASSIGN_OR_RETURN(api::Options parameters, api::ParseOptions({{"options", texts.parameters}}));
  served.parameters = api::Merge(std::move(parameters), served.parameters);
  for (const store::Message& message : texts.messages) {
    served.messages.push_back({.role = message.role, .content = message.content});
  }
  return served;
}

std::vector<std::string> CapabilityNames(const ServedModel& model) {
  if (model.bundle->makes_embeddings) return {"embedding"};
  const std::string& family = model.bundle->model_type;
  const dialect::Capabilities can = model.go_template
                                        ? dialect::OfGo(*model.go_template, family)
                                        : dialect::OfJinja(model.bundle->chat_template, family);
  std::vector<std::string> names = {"completion"};
  if (can.tools) names.emplace_back("tools");
  if (can.insert || model.bundle->insert.known()) names.emplace_back("insert");
  if (can.thinking) names.emplace_back("thinking");
  return names;
}

}  // namespace axollama::server
