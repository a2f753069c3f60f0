// A model as a request finds it: the folder, and what its maker or its owner wrote down for it.
//
// Owner and threads: plain values.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/options.h"
#include "api/turn.h"
#include "base/result.h"
#include "bundle/bundle.h"
#include "bundle/roots.h"
#include "server/models.h"
#include "store/store.h"

namespace axollama::server {

struct ServedModel {
  bundle::ModelRef ref;
  std::shared_ptr<const bundle::Bundle> bundle;  // of the folder, as it is now or as it was loaded
  std::string system;                            // empty: none
  std::optional<std::string> go_template;        // instead of the bundle's own Jinja one
  api::Options parameters;                       // where a request says nothing
  std::vector<api::Message> messages;            // that come before those of a request
};

// kNotFound with `model 'NAME' not found`; what is wrong with a folder that is there, otherwise.
Result<ServedModel> FindServed(Models& models, std::string_view name);
Result<ServedModel> ServedFrom(Models& models, bundle::ModelRef ref);
Result<ServedModel> ServedFrom(Models& models, const store::Model& stored);

// In Ollama's words and order: completion, tools, insert, thinking; or embedding alone.
std::vector<std::string> CapabilityNames(const ServedModel& model);

}  // namespace axollama::server
