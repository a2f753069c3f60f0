// The config.json of a Hugging Face folder in the words of ModelFacts. Threads: plain functions.
// Source: transformers' configuration and modelling files of the architectures in facts.h; for
// MiniCPM its own, which llama.cpp's converter follows.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "sim/build/facts.h"
#include "sim/build/settings_json.h"

namespace axsim::build {

// `has_tensor` asks the folder's tensors for a name. The facts lack `name` and `spare`.
axollama::Result<ModelFacts> FactsOfConfig(const SettingsJson& config,
                                           const std::function<bool(std::string_view)>& has_tensor);

}  // namespace axsim::build
