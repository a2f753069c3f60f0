// What the store keeps of a model: which folder holds it, and texts that go with it.
//
// The file is JSON in the shape of Ollama's manifests. The model itself is a layer of our own type,
// whose `from` says where its folder is: relative paths lie in the store, absolute ones are links
// to a folder of somebody else. Texts lie in blobs, named by their SHA-256. Threads: plain values.
// Source: facts 6.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::store {

inline constexpr std::string_view kBundleType = "application/vnd.axollama.image.bundle";
inline constexpr std::string_view kTemplateType = "application/vnd.ollama.image.template";
inline constexpr std::string_view kSystemType = "application/vnd.ollama.image.system";
inline constexpr std::string_view kParametersType = "application/vnd.ollama.image.params";
inline constexpr std::string_view kMessagesType = "application/vnd.ollama.image.messages";
inline constexpr std::string_view kLicenseType = "application/vnd.ollama.image.license";
inline constexpr std::string_view kRequiresType = "application/vnd.axollama.requires";

struct Layer {
  std::string type;
  std::string digest;  // 64 hex digits
  uint64_t size_bytes = 0;
};

struct Manifest {
  Layer bundle;        // its digest is bundle::Digest when it was written
  std::string from;    // where the bundle is
  std::string parent;  // the model it was made from, or ""
  std::vector<Layer> texts;
};

inline constexpr size_t kMaxManifestBytes = 1u << 20;
inline constexpr size_t kMaxTextBytes = 16u << 20;  // of one layer

// Refuses what WriteManifest does not write: no bundle, bad digests, paths with `..`.
Result<Manifest> ParseManifest(std::string_view text);
std::string WriteManifest(const Manifest& manifest);

// "sha256:<64 hex>" or "sha256-<64 hex>" to the 64 lower-case digits; Ollama's
// `invalid digest format` for anything else.
Result<std::string> ParseDigest(std::string_view text);

}  // namespace axollama::store
