// What generate and chat have in common in their requests: the body as an object, and the fields
// that are not supported yet. Private to the room.
//
// A field of a wrong type is an error of the request. What it asks for and is not there is kept: it
// is said once the model is known to exist, as Ollama does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

// An empty body, or one of white space: `missing request body`.
Result<json::Object> ParseBody(std::string_view body);

// The first refusal is the one that is said.
class Refusal {
 public:
  void Add(std::string message) {
    if (!error_) error_ = Error{ErrorKind::kInvalid, std::move(message)};
  }
  std::optional<Error> Take() { return std::move(error_); }

 private:
  std::optional<Error> error_;
};

// Refuses format, images, logprobs and think where they ask for anything; checks the types of
// these and of the fields that are accepted without effect. `model` is named in Ollama's words.
Status RefuseUnsupported(const json::Object& request, std::string_view model, Refusal* refusal);

// A field that must be an array of base64 text: refused when it holds any.
Status RefuseImages(const json::Object& object, std::string_view field, std::string_view model,
                    Refusal* refusal);

}  // namespace axollama::api
