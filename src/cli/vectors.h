// The embeddings of texts, printed: `axollama embed`, and `axollama run` with a model that makes
// nothing else. Threads: the command's.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "cli/remote.h"

namespace axollama::cli {

// Whether the model has the capability `embedding`.
Result<bool> MakesVectors(Remote& remote, const std::string& model);

// The answer to `body` of /api/embed on standard output: a JSON array a line, one for each text;
// or, `as_json`, all that the server says.
Status PrintVectors(Remote& remote, const json::Object& body, bool as_json);

}  // namespace axollama::cli
