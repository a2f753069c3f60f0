#include "server/served_model.h"

#include <utility>

namespace axollama::server {

Result<ServedModel> FindServed(Models& models, std::string_view name) {
  AX_ASSIGN_OR_RETURN(bundle::ModelRef ref, bundle::FindModel(models.roots(), name));
  return ServedFrom(models, std::move(ref));
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

}  // namespace axollama::server
