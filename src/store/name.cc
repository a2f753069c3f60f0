#include "store/name.h"

#include <fmt/format.h>

#include <algorithm>

namespace axollama::store {
namespace {

constexpr size_t kMaxPart = 80, kMaxHost = 350;

enum class Kind { kHost, kSpace, kModelOrTag };

bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool ValidPart(Kind kind, std::string_view part) {
  if (part.empty() || part.size() > (kind == Kind::kHost ? kMaxHost : kMaxPart)) return false;
  if (!IsWordCharacter(part.front())) return false;
  return std::all_of(part.begin(), part.end(), [kind](char c) {
    return IsWordCharacter(c) || c == '-' || (c == '.' && kind != Kind::kSpace) ||
           (c == ':' && kind == Kind::kHost);
  });
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// Cuts what follows the last `separator` off `text`. False: there is none.
bool CutLast(std::string_view* text, char separator, std::string_view* after) {
  const size_t at = text->rfind(separator);
  if (at == std::string_view::npos) return false;
  *after = text->substr(at + 1);
  *text = text->substr(0, at);
  return true;
}

Reference CutSource(std::string_view text) {
  constexpr std::string_view kOldMark = "-cloud";
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {text};
  const std::string tag = Lower(std::string(text.substr(colon + 1)));
  if (tag == "local") return {text.substr(0, colon), Reference::Source::kLocal};
  if (tag == "cloud") return {text.substr(0, colon), Reference::Source::kCloud};
  if (tag.ends_with(kOldMark) && tag.find('/') == std::string::npos) {
    return {text.substr(0, text.size() - kOldMark.size()), Reference::Source::kCloud};
  }
  return {text};
}

}  // namespace

std::optional<Name> Name::FromParts(std::string_view host, std::string_view space,
                                    std::string_view model, std::string_view tag) {
  if (!ValidPart(Kind::kHost, host) || !ValidPart(Kind::kSpace, space) ||
      !ValidPart(Kind::kModelOrTag, model) || !ValidPart(Kind::kModelOrTag, tag)) {
    return std::nullopt;
  }
  return Name{std::string(host), std::string(space), std::string(model), std::string(tag)};
}

std::optional<Name> Name::Parse(std::string_view text) {
  const Name defaults;
  std::string_view host = defaults.host, space = defaults.space, tag = defaults.tag, model;
  // A `/` cannot be in a tag: a colon before the last one belongs to the host.
  const size_t slash = text.rfind('/');
  if (const size_t colon = text.rfind(':');
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    tag = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  if (!CutLast(&text, '/', &model)) {
    model = text;
  } else if (!CutLast(&text, '/', &space)) {
    space = text;
  } else {
    const size_t scheme = text.find("://");
    host = scheme == std::string_view::npos ? text : text.substr(scheme + 3);
  }
  return FromParts(host, space, model, tag);
}

std::string Name::Short() const {
  const Name defaults;
  std::string out;
  if (Lower(host) != defaults.host) {
    out = fmt::format("{}/{}/", host, space);
  } else if (Lower(space) != defaults.space) {
    out = fmt::format("{}/", space);
  }
  return out + model + ":" + tag;
}

std::string Name::Key() const { return Lower(fmt::format("{}/{}/{}:{}", host, space, model, tag)); }

std::filesystem::path Name::Path() const {
  return std::filesystem::path(host) / space / model / tag;
}

Result<Reference> ParseReference(std::string_view text) {
  const Reference reference = CutSource(text);
  if (reference.source != Reference::Source::kAny &&
      CutSource(reference.name).source != Reference::Source::kAny) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("use either :local or :cloud, not both: \"{}\"", text));
  }
  return reference;
}

Result<Name> ParseName(std::string_view text) {
  if (auto name = Name::Parse(text)) return *std::move(name);
  return Fail(ErrorKind::kInvalid, "invalid model name");
}

}  // namespace axollama::store
