#include "bundle/bundle.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <system_error>

#include "base/json.h"
#include "base/sha256.h"
#include "bundle/axmodel_info.h"
#include "bundle/layout.h"
#include "bundle/settings.h"

namespace axollama::bundle {
namespace {

namespace fs = std::filesystem;

// Text of a stranger's file, fit for one line of an error.
std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

struct FileFacts {
  std::string name;  // relative to the folder
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
};

// The bundle's own files, sorted by name: those directly in the folder and in tokenizer/. Other
// folders may be other models (NAME:latest beside NAME/TAG).
std::vector<FileFacts> ListFiles(const fs::path& folder) {
  std::vector<FileFacts> files;
  for (const fs::path& place : {folder, folder / "tokenizer"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(place, error)) {
      struct stat facts;
      if (stat(entry.path().c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) continue;
      files.push_back({entry.path().lexically_relative(folder).string(),
                       static_cast<uint64_t>(facts.st_size),
                       facts.st_mtim.tv_sec * int64_t{1'000'000'000} + facts.st_mtim.tv_nsec});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const FileFacts& a, const FileFacts& b) { return a.name < b.name; });
  return files;
}

// Every model file, with what it says of itself; all of one compiler.
using Infos = std::vector<std::pair<fs::path, AxmodelInfo>>;
Result<Infos> ReadInfos(const Bundle& bundle) {
  std::vector<fs::path> paths = bundle.layers;
  if (bundle.layout == Layout::kLayers) {
    paths.push_back(bundle.post);
  } else {
    paths.push_back(bundle.decode);
    if (bundle.layout == Layout::kSplit) paths.push_back(bundle.prefill);
  }
  Infos infos;
  for (const fs::path& path : paths) {
    AX_ASSIGN_OR_RETURN(AxmodelInfo info, ReadAxmodelInfo(path));
    if (!infos.empty() && info.producer != infos.front().second.producer) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} was made by \"{}\", {} by \"{}\": the folder mixes two models",
                              path.string(), Printable(info.producer), infos.front().first.string(),
                              Printable(infos.front().second.producer)));
    }
    infos.emplace_back(path, std::move(info));
  }
  return infos;
}

// The number of layers and the chunk, which the names of stack files do not say.
Status ReadStacks(const Infos& infos, Bundle* bundle) {
  const auto& [decode_path, decode] = infos.front();
  const auto& [prefill_path, prefill] = infos.back();
  const bool split = bundle->layout == Layout::kSplit;
  bundle->layer_count = CountLayers(decode.inputs);
  if (bundle->layer_count == 0) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} has no inputs k_cache_0, k_cache_1, ...: it does not hold a whole "
                            "model",
                            decode_path.string()));
  }
  if (CountLayers(prefill.inputs) != bundle->layer_count) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} has {} layers, {} has {}: they belong to different models",
                            prefill_path.string(), CountLayers(prefill.inputs),
                            decode_path.string(), bundle->layer_count));
  }
  const uint32_t rows = RowsOf(decode.inputs, "input_embeds").value_or(1);
  bundle->chunk_tokens =
      RowsOf(prefill.inputs, split ? "input_embeds" : "input_embeds_1").value_or(0);
  if (split && rows != 1) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} takes {} tokens at a time, not one: is it the other file?",
                            decode_path.string(), rows));
  }
  return {};
}

// What a simulator's file says of its layers, under GGUF's names.
std::vector<std::pair<std::string, double>> ProgramFacts(const json::Object& program) {
  std::vector<std::pair<std::string, double>> facts;
  for (const auto& [ours, gguf] :
       {std::pair("ffn", "feed_forward_length"), std::pair("heads", "attention.head_count"),
        std::pair("kv_heads", "attention.head_count_kv"),
        std::pair("head_dim", "attention.key_length")}) {
    const auto value = json::GetDouble(program, ours, 0);
    if (value && *value > 0) facts.emplace_back(gguf, *value);
  }
  return facts;
}

// Whether the post model ends with hidden states. A simulator's file says so, in a program of its
// own or as the last part of a stack's; of others it is known by config.json.
Result<bool> EndsAfterNorm(const std::pair<fs::path, AxmodelInfo>& file) {
  AX_ASSIGN_OR_RETURN(const json::Object program,
                      json::ParseObject(file.second.program, file.first.string()));
  const json::Value* parts = json::Find(program, "parts");
  if (parts == nullptr || !parts->is_array() || parts->get_array().empty()) {
    return json::GetBool(program, "embedding", false);
  }
  const json::Value& post = parts->get_array().back();
  if (!post.is_object()) return false;
  return json::GetBool(post.get_object(), "embedding", false);
}

// Fills what the files say: `simulator`, `makes_embeddings`, `weights`, `context_tokens`; returns
// the hidden size if any file tells it.
Result<std::optional<uint32_t>> ReadModelFiles(const Settings& settings, Bundle* bundle) {
  AX_ASSIGN_OR_RETURN(const Infos infos, ReadInfos(*bundle));
  const auto& [path, first] = infos.front();
  bundle->simulator = first.producer == kSimulatorProducer;
  if (bundle->layout != Layout::kLayers) AX_RETURN_IF_ERROR(ReadStacks(infos, bundle));
  std::optional<uint32_t> hidden = LastDim(first.inputs, "input");
  if (!hidden) hidden = LastDim(first.inputs, "input_embeds");
  if (!first.program.empty()) {
    AX_ASSIGN_OR_RETURN(const json::Object program,
                        json::ParseObject(first.program, path.string()));
    AX_ASSIGN_OR_RETURN(bundle->weights, json::GetString(program, "weights", ""));
    AX_ASSIGN_OR_RETURN(const int64_t width, json::GetInt(program, "hidden", 0));
    if (width > 0 && width <= INT32_MAX) hidden = static_cast<uint32_t>(width);
    if (bundle->architecture.empty()) bundle->architecture = ProgramFacts(program);
  }
  bundle->makes_embeddings = settings.is_embedding;
  if (!infos.back().second.program.empty()) {
    AX_ASSIGN_OR_RETURN(bundle->makes_embeddings, EndsAfterNorm(infos.back()));
    if (bundle->makes_embeddings != settings.is_embedding) {
      bundle->notes.push_back(
          fmt::format("config.json says is_embedding {}, the post model {}: the files count",
                      settings.is_embedding, bundle->makes_embeddings));
    }
  }
  if (bundle->weights.empty()) bundle->weights = settings.weights;
  // The mask of the decode group is one column longer than its cache: S + 1 positions.
  const std::optional<uint32_t> context = LastDim(first.inputs, "mask");
  if (context && settings.context_tokens && *context != *settings.context_tokens) {
    bundle->notes.push_back(
        fmt::format("config.json says a context of {}, the model files {}: "
                    "the files count",
                    *settings.context_tokens, *context));
  }
  bundle->context_tokens = context ? context : settings.context_tokens;
  return hidden;
}

Status OpenTable(const fs::path& path, std::optional<uint32_t> hidden, const Settings& settings,
                 Bundle* bundle) {
  AX_RETURN_IF_ERROR(CheckPlausibleFile(path));
  if (hidden && settings.embed_width && *hidden != *settings.embed_width) {
    bundle->notes.push_back(
        fmt::format("config.json says an embedding width of {}, the model "
                    "files {}: the files count",
                    *settings.embed_width, *hidden));
  }
  std::optional<uint32_t> width = hidden ? hidden : settings.embed_width;
  if (!width && settings.embed_tokens && path.extension() != ".npy") {
    // Neither the files nor config.json tell the width: the row count does, if it divides.
    std::error_code error;
    const uint64_t values = fs::file_size(path, error) / 2;
    if (values % *settings.embed_tokens == 0 && values / *settings.embed_tokens <= INT32_MAX) {
      width = static_cast<uint32_t>(values / *settings.embed_tokens);
    }
  }
  AX_ASSIGN_OR_RETURN(bundle->embedding, OpenEmbedding(path, width));
  if (settings.embed_tokens && *settings.embed_tokens != bundle->embedding->tokens()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}: wrong size: the embedding table has {} rows of {} values, "
                            "config.json says tokens_embed_num {}: the file is cut or belongs to "
                            "another model",
                            path.string(), bundle->embedding->tokens(), bundle->embedding->width(),
                            *settings.embed_tokens));
  }
  return {};
}

// Which tokens end an answer: the settings', the tokenizer's, and those with which the chat
// template ends a turn, since a published eos id is often that of plain text only.
void CollectEndTokens(const TokenizerFacts& tokenizer, Bundle* bundle) {
  const auto add = [&](std::string_view token, bool template_only) {
    const auto it = tokenizer.added_tokens.find(token);
    if (it == tokenizer.added_tokens.end()) return;
    if (template_only && bundle->chat_template.find(token) == std::string::npos) return;
    auto& ids = bundle->eos_ids;
    if (std::find(ids.begin(), ids.end(), it->second) == ids.end()) ids.push_back(it->second);
  };
  if (!tokenizer.eos_token.empty()) add(tokenizer.eos_token, false);
  for (const char* token : {"<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>"}) {
    add(token, true);
  }
  if (bundle->eos_ids.empty()) {
    bundle->notes.push_back("no end token is known: answers end at the length limit");
  }
}

}  // namespace

Result<Bundle> Open(const fs::path& folder) {
  Bundle bundle;
  std::error_code error;
  bundle.folder = fs::absolute(folder, error).lexically_normal();
  if (!bundle.folder.has_filename()) bundle.folder = bundle.folder.parent_path();
  if (!fs::is_directory(bundle.folder, error)) {
    return Fail(ErrorKind::kNotFound, fmt::format("{} is not a folder", bundle.folder.string()));
  }
  AX_ASSIGN_OR_RETURN(const Settings settings, ReadSettings(bundle.folder));
  AX_ASSIGN_OR_RETURN(const ModelFiles files, FindModelFiles(bundle.folder, settings));
  bundle.layout = files.layout;
  bundle.model_type = !files.model_type.empty()     ? files.model_type
                      : settings.model_type.empty() ? "unknown"
                                                    : Printable(settings.model_type);
  bundle.chunk_tokens = files.chunk_tokens;
  bundle.layer_count = static_cast<uint32_t>(files.layers.size());
  bundle.layers = files.layers;
  bundle.post = files.post;
  bundle.decode = files.decode;
  bundle.prefill = files.prefill;
  bundle.parameters = settings.parameters;
  bundle.system_prompt = settings.system_prompt;
  bundle.stop_strings = settings.stop_strings;
  bundle.eos_ids = settings.eos_ids;
  bundle.architecture = settings.architecture;
  AX_ASSIGN_OR_RETURN(const auto hidden, ReadModelFiles(settings, &bundle));
  AX_RETURN_IF_ERROR(OpenTable(files.embedding, hidden, settings, &bundle));

  AX_ASSIGN_OR_RETURN(const TokenizerFacts tokenizer,
                      ReadTokenizerFacts(bundle.folder, settings.tokenizer_name));
  bundle.tokenizer = tokenizer.file;
  bundle.chat_template = tokenizer.chat_template;
  bundle.insert = FindInsertMarks(tokenizer.added_tokens);
  bundle.bos_token = tokenizer.bos_token;
  bundle.eos_token = tokenizer.eos_token;
  for (const int32_t id : tokenizer.end_ids) {
    auto& ids = bundle.eos_ids;
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  for (const auto& [text, id] : tokenizer.added_tokens) {
    if (bundle.bos_token.empty() && settings.bos_id == id) bundle.bos_token = text;
    if (bundle.eos_token.empty() && !bundle.eos_ids.empty() && bundle.eos_ids.front() == id) {
      bundle.eos_token = text;
    }
  }
  CollectEndTokens(tokenizer, &bundle);

  const FolderFacts facts = LookAtFolder(bundle.folder);
  bundle.size_bytes = facts.size_bytes;
  bundle.modified_ns = facts.modified_ns;
  for (const auto* notes : {&settings.notes, &files.notes, &tokenizer.notes}) {
    bundle.notes.insert(bundle.notes.end(), notes->begin(), notes->end());
  }
  bundle.notes.insert(
      bundle.notes.begin(),
      fmt::format("{}: {} bundle{} of {} layers, chunk {}, for {}", bundle.model_type,
                  LayoutName(bundle.layout), bundle.makes_embeddings ? " for embeddings" : "",
                  bundle.layer_count, bundle.chunk_tokens,
                  bundle.simulator ? "the simulated card" : "the NPU"));
  return bundle;
}

bool LooksLikeBundle(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (ParseLayerName(name) || name.ends_with("_post.axmodel") || IsStackFile(name)) {
      return true;
    }
  }
  return false;
}

FolderFacts LookAtFolder(const fs::path& folder) {
  FolderFacts facts;
  std::string text;
  for (const FileFacts& file : ListFiles(folder)) {
    text += fmt::format("{}\n{} {}\n", file.name, file.size_bytes, file.modified_ns);
    facts.size_bytes += file.size_bytes;
    facts.modified_ns = std::max(facts.modified_ns, file.modified_ns);
  }
  facts.digest = Sha256Hex(text);
  return facts;
}

Status RemoveFiles(const fs::path& folder) {
  for (const FileFacts& file : ListFiles(folder)) {
    std::error_code error;
    fs::remove(folder / file.name, error);
    if (error) {
      return Fail(ErrorKind::kIo, fmt::format("cannot remove {}: {}", (folder / file.name).string(),
                                              error.message()));
    }
  }
  std::error_code ignored;  // of folders that hold something else
  fs::remove(folder / "tokenizer", ignored);
  fs::remove(folder, ignored);
  return {};
}

}  // namespace axollama::bundle
