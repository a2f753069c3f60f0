// Which model is meant by a name that no model has: clients ask for Ollama's names, and the card's
// models are called as AXERA publishes them.
//
// `qwen3:4b` means Qwen3-4B, Qwen3-4B-Int8 or AXERA-TECH/Qwen3-4B-GPTQ-Int4, if only one of them is
// there: the words of the asked name must be the first words of the model's, and what follows them
// may only say how it was made (weights, chip, context, chat tuning). A name without a size means
// the only size there is.
// Threads: a plain function.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "store/name.h"

namespace axollama::store {

// The index of the one that fits; nothing if none does, or several.
std::optional<size_t> MatchAlias(const Name& asked, const std::vector<Name>& there);

}  // namespace axollama::store
