#include "store/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/json.h"

namespace axollama::store {
namespace {

constexpr size_t kMaxLayers = 256;

tl::unexpected<Error> Bad(std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("not a manifest of this store: {}", what));
}

// A path that can only mean one place: absolute, or below the store.
bool GoodPlace(const std::string& from) {
  if (from.empty() || from.find('\0') != std::string::npos) return false;
  const std::filesystem::path path(from);
  return std::none_of(path.begin(), path.end(), [](const std::filesystem::path& part) {
    return part == ".." || part == ".";
  });
}

Result<Layer> ReadLayer(const json::Object& object) {
  Layer layer;
  AX_ASSIGN_OR_RETURN(layer.type, json::GetString(object, "mediaType", ""));
  AX_ASSIGN_OR_RETURN(const std::string digest, json::GetString(object, "digest", ""));
  AX_ASSIGN_OR_RETURN(layer.digest, ParseDigest(digest));
  AX_ASSIGN_OR_RETURN(const int64_t size, json::GetInt(object, "size", -1));
  if (size < 0) return Bad("a layer has no size");
  layer.size_bytes = static_cast<uint64_t>(size);
  return layer;
}

json::Object LayerObject(const Layer& layer) {
  return {
      {"mediaType", layer.type}, {"digest", "sha256:" + layer.digest}, {"size", layer.size_bytes}};
}

}  // namespace

Result<Manifest> ParseManifest(std::string_view text) {
  if (text.size() > kMaxManifestBytes) return Bad("it is too long");
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(text, "manifest"));
  AX_ASSIGN_OR_RETURN(const int64_t version, json::GetInt(object, "schemaVersion", 0));
  if (version != 2) return Bad("its schemaVersion is not 2");
  Manifest manifest;
  AX_ASSIGN_OR_RETURN(manifest.parent, json::GetString(object, "parent", ""));
  const json::Value* layers = json::Find(object, "layers");
  if (layers == nullptr || !layers->is_array()) return Bad("it has no layers");
  if (layers->get_array().size() > kMaxLayers) return Bad("it has too many layers");
  for (const json::Value& value : layers->get_array()) {
    if (!value.is_object()) return Bad("a layer is no object");
    AX_ASSIGN_OR_RETURN(Layer layer, ReadLayer(value.get_object()));
    if (layer.type != kBundleType) {
      if (layer.size_bytes > kMaxTextBytes) return Bad("a text is too long");
      manifest.texts.push_back(std::move(layer));
      continue;
    }
    if (!manifest.from.empty()) return Bad("it has two models");
    AX_ASSIGN_OR_RETURN(manifest.from, json::GetString(value.get_object(), "from", ""));
    if (!GoodPlace(manifest.from)) return Bad("the place of its model is wrong");
    manifest.bundle = std::move(layer);
  }
  if (manifest.from.empty()) return Bad("it has no model");
  return manifest;
}

std::string WriteManifest(const Manifest& manifest) {
  json::Object bundle = LayerObject(manifest.bundle);
  bundle["from"] = manifest.from;
  json::Array layers{std::move(bundle)};
  for (const Layer& layer : manifest.texts) layers.push_back(LayerObject(layer));
  json::Object object{{"schemaVersion", 2},
                      {"mediaType", "application/vnd.docker.distribution.manifest.v2+json"}};
  if (!manifest.parent.empty()) object["parent"] = manifest.parent;
  object["layers"] = std::move(layers);
  return json::Write(object);
}

Result<std::string> ParseDigest(std::string_view text) {
  constexpr size_t kPrefix = 7, kDigits = 64;
  const std::string_view digits = text.size() < kPrefix ? "" : text.substr(kPrefix);
  const bool good =
      (text.rfind("sha256:", 0) == 0 || text.rfind("sha256-", 0) == 0) &&
      digits.size() == kDigits && std::all_of(digits.begin(), digits.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      });
  if (!good) return Fail(ErrorKind::kInvalid, "invalid digest format");
  std::string out(digits);
  for (char& c : out) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace axollama::store
