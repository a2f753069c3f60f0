// A model folder ("bundle"): what is in it, checked before any of it touches a device.
//
// Design 5. Three layouts are accepted, see Layout; which one a folder has is found by its files.
// Owner: plain values; the embedding table is mapped for as long as the Bundle (or a copy of the
// shared table) lives. Threads: const use from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "bundle/insert_marks.h"

namespace axollama::bundle {

// [tokens, width], rows given as bf16.
class EmbeddingTable {
 public:
  virtual ~EmbeddingTable() = default;
  virtual uint32_t tokens() const = 0;
  virtual uint32_t width() const = 0;
  // Writes row `token` as bf16 to out [width]. An id out of range is kInvalid.
  virtual Status Row(int32_t token, std::span<uint16_t> out) const = 0;
};

// Opens `.bin` (raw bf16, needs `width`), or `.npy` (f32, f16, or bf16 as uint16; [tokens, width]).
Result<std::shared_ptr<const EmbeddingTable>> OpenEmbedding(const std::filesystem::path& path,
                                                            std::optional<uint32_t> width);

enum class Layout {
  kLayers,  // `*_p{C}_l{i}_together.axmodel` and `*_post.axmodel`
  kSplit,   // `model_prefill.axmodel` and `model_decode.axmodel`, each all layers and the head
  kSingle,  // `model.axmodel`: the same with the groups of both
};
std::string_view LayoutName(Layout layout);  // "per-layer", "split", "single"

struct Bundle {
  std::filesystem::path folder;  // absolute
  bool simulator = false;        // made by axollama-sim: runs on the simulated card
  std::string model_type;        // "llama", "qwen3" ...; never empty
  // It makes embeddings and no text: the post model gives hidden states instead of logits.
  bool makes_embeddings = false;
  uint32_t chunk_tokens = 0;  // C as the files say; 0: they do not
  uint32_t layer_count = 0;
  Layout layout = Layout::kLayers;
  std::vector<std::filesystem::path> layers;  // kLayers: by index
  std::filesystem::path post;                 // kLayers
  std::filesystem::path decode, prefill;      // kSplit; the same file in kSingle
  std::shared_ptr<const EmbeddingTable> embedding;
  std::filesystem::path tokenizer;         // tokenizer.json, or AXERA's text form
  std::string chat_template;               // Jinja source; empty: the bundle has none
  InsertMarks insert;                      // unknown: it cannot fill in the middle of a text
  std::string bos_token, eos_token;        // text; empty: none
  std::vector<int32_t> eos_ids;            // every token that ends an answer
  std::vector<std::string> stop_strings;   // from the bundle's own settings; usually empty
  std::string system_prompt;               // config.json "system_prompt"
  uint64_t size_bytes = 0;                 // of all its files
  int64_t modified_ns = 0;                 // newest file, wall clock
  std::string weights;                     // "s8", "s4", "bf16", or "" when unknown
  std::optional<uint32_t> context_tokens;  // config.json or a simulator file; the device decides
  std::optional<uint64_t> parameters;      // number of weights, when known
  // What config.json says of the layers, by the second part of GGUF's key: "attention.head_count".
  std::vector<std::pair<std::string, double>> architecture;
  std::vector<std::string> notes;  // what was found and which contradictions, for the log
};

// Checks everything of design 5 that needs no device. Errors name the file and say what to do.
Result<Bundle> Open(const std::filesystem::path& folder);

// Cheap: is this folder a bundle at all? Used to list model roots.
bool LooksLikeBundle(const std::filesystem::path& folder);

// What the file system says of a bundle's files, without opening them.
struct FolderFacts {
  std::string digest;       // the sha256 of their names, sizes and times; changes when a file does
  uint64_t size_bytes = 0;  // of all of them
  int64_t modified_ns = 0;  // of the newest, wall clock
};
FolderFacts LookAtFolder(const std::filesystem::path& folder);

// Removes the bundle's files, and `folder` if nothing else is in it.
Status RemoveFiles(const std::filesystem::path& folder);

}  // namespace axollama::bundle
