// Names of models: `[host/][namespace/]model[:tag]`, as Ollama parses and checks them.
//
// Each part is letters, digits, `_`, `-` and `.` (a namespace has no `.`, a host may have `:`),
// begins with a letter, a digit or `_`, and is at most 80 bytes long (a host 350). So no part can
// leave a folder that it is appended to. Names are equal whatever their case.
// Threads: plain values. Source: facts 1.2; Ollama's types/model/name.go.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::store {

struct Name {
  std::string host = "registry.ollama.ai";
  std::string space = "library";  // the namespace
  std::string model;
  std::string tag = "latest";

  // Whatever is missing is Ollama's default. Nothing for what cannot be a name.
  static std::optional<Name> Parse(std::string_view text);
  // Of its four parts, none of them empty.
  static std::optional<Name> FromParts(std::string_view host, std::string_view space,
                                       std::string_view model, std::string_view tag);

  // Without the defaults of host and namespace, always with the tag: "smollm2:135m".
  std::string Short() const;
  // Lower case, all four parts: equal for equal names.
  std::string Key() const;
  // host/namespace/model/tag
  std::filesystem::path Path() const;
};

// Parse, or Ollama's `invalid model name`.
Result<Name> ParseName(std::string_view text);

// What a request calls a model: a name, and behind it maybe where the model shall be: `:local`, or
// `:cloud` and tags that end in `-cloud`, which mean ollama.com. Source: Ollama's
// internal/modelref.
struct Reference {
  enum class Source { kAny, kLocal, kCloud };
  std::string_view name;  // of the same text
  Source source = Source::kAny;
};
// kInvalid: `use either :local or :cloud, not both: "x:local:cloud"`.
Result<Reference> ParseReference(std::string_view text);

}  // namespace axollama::store
