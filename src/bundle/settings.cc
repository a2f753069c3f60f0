#include "bundle/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "base/json.h"
#include "bundle/axmodel_info.h"
#include "bundle/builtin_templates.h"
#include "bundle/vendor_tokenizer.h"

namespace axollama::bundle {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSettingsBytes = 16u << 20;

// nullopt: the file is not there, or empty.
Result<std::optional<json::Object>> ReadObject(const fs::path& path,
                                               std::vector<std::string>* notes) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  AX_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxSettingsBytes));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    notes->push_back(fmt::format("{} is empty: its values are taken from the model files",
                                 path.filename().string()));
    return std::nullopt;
  }
  AX_RETURN_IF_ERROR(CheckPlausibleFile(path));
  AX_ASSIGN_OR_RETURN(json::Object object, json::ParseObject(text, path.string()));
  return object;
}

tl::unexpected<Error> InFile(const fs::path& path, Error error) {
  error.message = fmt::format("{}: {}", path.string(), error.message);
  return Fail(std::move(error));
}

// The first of `keys` that is there, as a positive count.
Status ReadCount(const json::Object& object, std::initializer_list<const char*> keys,
                 std::optional<uint32_t>* out) {
  for (const char* key : keys) {
    AX_ASSIGN_OR_RETURN(const int64_t value, json::GetInt(object, key, -1));
    if (json::Find(object, key) == nullptr) continue;
    if (value <= 0 || value > INT32_MAX) {
      return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" is {}: not a count", key, value));
    }
    *out = static_cast<uint32_t>(value);
    return {};
  }
  return {};
}

// A token id, or a list of them.
Status AddIds(const json::Object& object, const char* key, std::vector<int32_t>* ids) {
  const json::Value* value = json::Find(object, key);
  if (value == nullptr) return {};
  const auto add = [&](const json::Value& one) -> Status {
    if (!one.is_int64() || one.get_int64() < -1 || one.get_int64() > INT32_MAX) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("\"{}\" must be a token id or a list of token ids", key));
    }
    const int32_t id = static_cast<int32_t>(one.get_int64());
    if (id >= 0 && std::find(ids->begin(), ids->end(), id) == ids->end()) ids->push_back(id);
    return {};
  };
  if (!value->is_array()) return add(*value);
  for (const json::Value& one : value->get_array()) AX_RETURN_IF_ERROR(add(one));
  return {};
}

// Publishers write paths of their own machine; only the last part means something here.
Status ReadFileName(const json::Object& object, const char* key, std::string* out) {
  AX_ASSIGN_OR_RETURN(const std::string value, json::GetString(object, key, ""));
  *out = fs::path(value).filename().string();
  return {};
}

// For show only, so that a value of a wrong type is left out and no error.
void ReadArchitecture(const json::Object& config, Settings* out) {
  constexpr std::pair<const char*, const char*> kKeys[] = {
      {"intermediate_size", "feed_forward_length"},
      {"num_attention_heads", "attention.head_count"},
      {"num_key_value_heads", "attention.head_count_kv"},
      {"head_dim", "attention.key_length"},
      {"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
      {"rope_theta", "rope.freq_base"},
  };
  for (const auto& [theirs, gguf] : kKeys) {
    const json::Value* value = json::Find(config, theirs);
    if (value != nullptr && value->is_number()) {
      out->architecture.emplace_back(gguf, value->to_number<double>());
    }
  }
}

Status ReadConfig(const json::Object& config, Settings* out) {
  ReadArchitecture(config, out);
  AX_RETURN_IF_ERROR(ReadCount(config, {"axmodel_num"}, &out->layers));
  AX_RETURN_IF_ERROR(ReadCount(config, {"tokens_embed_num"}, &out->embed_tokens));
  AX_RETURN_IF_ERROR(ReadCount(config, {"tokens_embed_size", "hidden_size"}, &out->embed_width));
  AX_RETURN_IF_ERROR(ReadFileName(config, "template_filename_axmodel", &out->layer_template));
  AX_RETURN_IF_ERROR(ReadFileName(config, "filename_post_axmodel", &out->post_name));
  AX_RETURN_IF_ERROR(ReadFileName(config, "filename_tokens_embed", &out->embed_name));
  AX_RETURN_IF_ERROR(ReadFileName(config, "url_tokenizer_model", &out->tokenizer_name));
  AX_ASSIGN_OR_RETURN(out->model_type, json::GetString(config, "model_type", ""));
  AX_ASSIGN_OR_RETURN(out->system_prompt, json::GetString(config, "system_prompt", ""));
  AX_ASSIGN_OR_RETURN(out->is_embedding, json::GetBool(config, "is_embedding", false));
  for (const char* key : {"eos_id", "eos_token_id"}) {
    AX_RETURN_IF_ERROR(AddIds(config, key, &out->eos_ids));
  }
  std::vector<int32_t> bos;
  for (const char* key : {"bos_id", "bos_token_id"}) AX_RETURN_IF_ERROR(AddIds(config, key, &bos));
  if (!bos.empty()) out->bos_id = bos.front();
  if (const json::Value* stop = json::Find(config, "stop"); stop != nullptr) {
    if (!stop->is_array()) return Fail(ErrorKind::kInvalid, "\"stop\" must be a list of strings");
    for (const json::Value& one : stop->get_array()) {
      if (!one.is_string()) return Fail(ErrorKind::kInvalid, "\"stop\" must be a list of strings");
      out->stop_strings.emplace_back(json::View(one.get_string()));
    }
  }
  // What `axollama sim build` adds for itself.
  const json::Value* own = json::Find(config, "axollama");
  if (own == nullptr) return {};
  if (!own->is_object()) return Fail(ErrorKind::kInvalid, "\"axollama\" must be an object");
  const json::Object& ours = own->get_object();
  AX_RETURN_IF_ERROR(ReadCount(ours, {"context"}, &out->context_tokens));
  AX_ASSIGN_OR_RETURN(out->weights, json::GetString(ours, "weights", ""));
  AX_ASSIGN_OR_RETURN(const int64_t parameters, json::GetInt(ours, "parameters", 0));
  if (parameters > 0) out->parameters = static_cast<uint64_t>(parameters);
  return {};
}

// "bos_token": "<s>" or {"content": "<s>", ...}; null and absent are "".
std::string TokenText(const json::Object& object, std::string_view key) {
  const json::Value* value = json::Find(object, key);
  if (value != nullptr && value->is_object()) value = json::Find(value->get_object(), "content");
  if (value == nullptr || !value->is_string()) return "";
  return std::string(json::View(value->get_string()));
}

// A string, or a list of {"name", "template"} of which "default" counts.
std::string TemplateText(const json::Object& config) {
  const json::Value* value = json::Find(config, "chat_template");
  if (value == nullptr) return "";
  if (value->is_string()) return std::string(json::View(value->get_string()));
  if (!value->is_array()) return "";
  for (const json::Value& one : value->get_array()) {
    if (one.is_object() && TokenText(one.get_object(), "name") == "default") {
      return TokenText(one.get_object(), "template");
    }
  }
  return "";
}

Result<bool> IsVendorFile(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  AX_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return IsVendorTokenizer(
      {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
}

// A tokenizer.json says more than AXERA's text form, so it goes first.
Status FindTokenizer(const fs::path& folder, const std::string& name, TokenizerFacts* facts) {
  std::error_code error;
  for (const fs::path& file :
       {folder / "tokenizer.json", folder / "tokenizer" / "tokenizer.json"}) {
    if (!fs::exists(file, error)) continue;
    facts->file = file;
    return CheckPlausibleFile(file);
  }
  std::vector<fs::path> places;
  for (const fs::path& place : {folder, folder / "tokenizer"}) {
    if (!name.empty()) places.push_back(place / name);
  }
  const size_t named = places.size();
  for (const fs::path& place : {folder, folder / "tokenizer"}) {
    for (const auto& entry : fs::directory_iterator(place, error)) {
      if (entry.path().extension() == ".txt") places.push_back(entry.path());
    }
  }
  std::sort(places.begin() + static_cast<std::ptrdiff_t>(named), places.end());
  for (const fs::path& file : places) {
    AX_ASSIGN_OR_RETURN(const bool ours, IsVendorFile(file));
    if (!ours) continue;
    facts->file = file;
    return {};
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("{} has no tokenizer: put the tokenizer.json of the model's Hugging Face "
                          "page into it",
                          folder.string()));
}

Status ReadSpecialTokens(TokenizerFacts* facts) {
  if (facts->file.filename() != "tokenizer.json") {
    AX_ASSIGN_OR_RETURN(VendorTokenizer vendor, ReadVendorTokenizer(facts->file));
    facts->added_tokens = std::move(vendor.special);
    facts->end_ids = std::move(vendor.stop_ids);
    facts->notes.push_back(
        fmt::format("the tokenizer is {}, in AXERA's text form", facts->file.filename().string()));
    return {};
  }
  AX_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(facts->file));
  facts->added_tokens =
      ScanAddedTokens({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  return {};
}

}  // namespace

Result<Settings> ReadSettings(const fs::path& folder) {
  Settings settings;
  const fs::path config_path = folder / "config.json";
  AX_ASSIGN_OR_RETURN(const auto config, ReadObject(config_path, &settings.notes));
  if (config) {
    if (Status status = ReadConfig(*config, &settings); !status) {
      return InFile(config_path, std::move(status).error());
    }
  }
  const fs::path generation_path = folder / "generation_config.json";
  AX_ASSIGN_OR_RETURN(const auto generation, ReadObject(generation_path, &settings.notes));
  if (generation) {
    if (Status status = AddIds(*generation, "eos_token_id", &settings.eos_ids); !status) {
      return InFile(generation_path, std::move(status).error());
    }
  }
  return settings;
}

Result<TokenizerFacts> ReadTokenizerFacts(const fs::path& folder, const std::string& preferred) {
  TokenizerFacts facts;
  AX_RETURN_IF_ERROR(FindTokenizer(folder, preferred, &facts));
  AX_RETURN_IF_ERROR(ReadSpecialTokens(&facts));
  std::vector<fs::path> places = {folder};
  if (facts.file.parent_path() != folder) places.push_back(facts.file.parent_path());
  std::string config_template;
  for (const fs::path& place : places) {
    for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
      AX_ASSIGN_OR_RETURN(const auto object, ReadObject(place / name, &facts.notes));
      if (!object) continue;
      if (facts.bos_token.empty()) facts.bos_token = TokenText(*object, "bos_token");
      if (facts.eos_token.empty()) facts.eos_token = TokenText(*object, "eos_token");
      if (config_template.empty()) config_template = TemplateText(*object);
    }
    std::error_code error;
    const fs::path jinja = place / "chat_template.jinja";
    if (facts.chat_template.empty() && fs::exists(jinja, error)) {
      AX_RETURN_IF_ERROR(CheckPlausibleFile(jinja));
      AX_ASSIGN_OR_RETURN(facts.chat_template, ReadFile(jinja, kMaxSettingsBytes));
    }
  }
  if (facts.chat_template.empty()) facts.chat_template = std::move(config_template);
  if (facts.chat_template.empty()) {
    const BuiltinTemplate builtin = FindBuiltinTemplate(facts.added_tokens);
    facts.chat_template = builtin.source;
    facts.notes.push_back(
        builtin.source.empty()
            ? "no chat template: chat needs a chat_template.jinja in the folder"
            : fmt::format("no chat template: the built-in {} is used", builtin.family));
  }
  return facts;
}

std::map<std::string, int32_t, std::less<>> ScanAddedTokens(std::string_view text) {
  std::map<std::string, int32_t, std::less<>> tokens;
  static constexpr std::string_view kKey = "\"added_tokens\"";
  static constexpr std::string_view kSpace = " \t\r\n";
  for (size_t key = text.find(kKey); key != std::string_view::npos;
       key = text.find(kKey, key + 1)) {
    size_t at = text.find_first_not_of(kSpace, key + kKey.size());
    if (at == std::string_view::npos || text[at] != ':') continue;
    at = text.find_first_not_of(kSpace, at + 1);
    if (at == std::string_view::npos || text[at] != '[') continue;
    const size_t start = at;
    int depth = 0;
    bool in_string = false;
    for (; at < text.size(); ++at) {
      if (in_string) {
        if (text[at] == '\\')
          ++at;
        else if (text[at] == '"')
          in_string = false;
        continue;
      }
      if (text[at] == '"') in_string = true;
      if (text[at] == '[' || text[at] == '{') ++depth;
      if ((text[at] == ']' || text[at] == '}') && --depth == 0) break;
    }
    if (at >= text.size()) return tokens;
    const auto list = json::Parse(text.substr(start, at + 1 - start));
    if (!list || !list->is_array()) return tokens;
    for (const json::Value& one : list->get_array()) {
      if (!one.is_object()) continue;
      const auto id = json::GetInt(one.get_object(), "id", -1);
      std::string content = TokenText(one.get_object(), "content");
      if (id && *id >= 0 && *id <= INT32_MAX && !content.empty()) {
        tokens.emplace(std::move(content), static_cast<int32_t>(*id));
      }
    }
    return tokens;
  }
  return tokens;
}

}  // namespace axollama::bundle
