#include "sim/build/hf_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "base/file.h"
#include "sim/build/sentencepiece_file.h"

namespace axsim::build {
namespace {

namespace fs = std::filesystem;
namespace json = axollama::json;
using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

constexpr size_t kMaxTokenizer = 256u << 20;
constexpr size_t kMaxTemplate = 16u << 20;

bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// "<s>" or {"content": "<s>", ...}; anything else is "".
std::string TokenText(const json::Object& object, std::string_view key) {
  const json::Value* value = json::Find(object, key);
  if (value && value->is_object()) value = json::Find(value->get_object(), "content");
  return value && value->is_string() ? std::string(json::View(value->get_string())) : "";
}

// A text, or a list of {"name", "template"} of which "default" counts.
std::string TemplateText(const json::Object& settings) {
  const json::Value* value = json::Find(settings, "chat_template");
  if (!value || !value->is_array()) return value ? TokenText(settings, "chat_template") : "";
  for (const json::Value& one : value->get_array()) {
    if (one.is_object() && TokenText(one.get_object(), "name") == "default") {
      return TokenText(one.get_object(), "template");
    }
  }
  return "";
}

struct AddedToken {
  std::string content;
  bool special = false;
};
using AddedTokens = std::map<uint32_t, AddedToken>;  // by id

// "added_tokens" of tokenizer.json.
Result<AddedTokens> AddedTokensOf(const SettingsJson& tokenizer) {
  AddedTokens added;
  const json::Value* list = json::Find(tokenizer.object(), "added_tokens");
  if (!list) return added;
  if (!list->is_array()) return tokenizer.Bad("has \"added_tokens\" that are no list");
  for (const json::Value& one : list->get_array()) {
    const json::Value* id = one.is_object() ? json::Find(one.get_object(), "id") : nullptr;
    if (!id || !id->is_int64() || id->get_int64() < 0 || id->get_int64() > INT32_MAX) {
      return tokenizer.Bad("has an added token without an id");
    }
    const json::Value* special = json::Find(one.get_object(), "special");
    added[static_cast<uint32_t>(id->get_int64())] = {
        TokenText(one.get_object(), "content"),
        special && special->is_bool() && special->get_bool()};
  }
  return added;
}

// "added_tokens_decoder" of tokenizer_config.json, and added_tokens.json.
Result<AddedTokens> AddedTokensBeside(const fs::path& folder, const SettingsJson& settings) {
  AddedTokens added;
  AX_ASSIGN_OR_RETURN(const SettingsJson old_file,
                      SettingsJson::ReadIfThere(folder / "added_tokens.json"));
  for (const auto& item : old_file.object()) {
    AX_ASSIGN_OR_RETURN(const uint32_t id, old_file.Uint(item.key()));
    added[id] = {std::string(item.key()), false};
  }
  AX_ASSIGN_OR_RETURN(const SettingsJson decoder, settings.Inner("added_tokens_decoder"));
  for (const auto& item : decoder.object()) {
    const std::string key(item.key());
    const bool number =
        !key.empty() && key.size() <= 9 &&
        std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number || !item.value().is_object()) return decoder.Bad("names a token by no number");
    const json::Value* special = json::Find(item.value().get_object(), "special");
    added[static_cast<uint32_t>(std::stoul(key))] = {
        TokenText(decoder.object(), key), special && special->is_bool() && special->get_bool()};
  }
  return added;
}

// Every token that ends an answer: `eos`, what the settings say, and those that do it in any model.
Status AddEnds(const fs::path& folder, const SettingsJson& config, const AddedTokens& added,
               std::optional<uint32_t> eos, std::vector<uint32_t>* ends) {
  const auto add = [&](uint32_t id) {
    if (std::find(ends->begin(), ends->end(), id) == ends->end()) ends->push_back(id);
  };
  if (eos) add(*eos);
  AX_ASSIGN_OR_RETURN(const SettingsJson generation,
                      SettingsJson::ReadIfThere(folder / "generation_config.json"));
  for (const SettingsJson* settings : {&generation, &config}) {
    AX_ASSIGN_OR_RETURN(const auto ids, settings->Uints("eos_token_id"));
    for (const uint32_t id : ids) add(id);
  }
  for (const std::string_view text : kEndTokens) {
    for (const auto& [id, token] : added) {
      if (token.special && token.content == text) add(id);
    }
  }
  return {};
}

std::optional<uint32_t> IdOf(const AddedTokens& added, const std::string& text) {
  for (const auto& [id, token] : added) {
    if (!text.empty() && token.content == text) return id;
  }
  return std::nullopt;
}

Result<TokenizerFiles> FromJson(const fs::path& folder, const SettingsJson& config,
                                const SettingsJson& settings, uint32_t vocab) {
  const fs::path path = folder / "tokenizer.json";
  TokenizerFiles files;
  AX_ASSIGN_OR_RETURN(files.tokenizer_json, axollama::ReadFile(path, kMaxTokenizer));
  AX_ASSIGN_OR_RETURN(const SettingsJson tokenizer, SettingsJson::Read(path));
  AX_ASSIGN_OR_RETURN(const SettingsJson model, tokenizer.Inner("model"));
  const json::Value* tokens = json::Find(model.object(), "vocab");
  const size_t count = tokens && tokens->is_object()  ? tokens->get_object().size()
                       : tokens && tokens->is_array() ? tokens->get_array().size()
                                                      : 0;
  if (count == 0) return tokenizer.Bad("has no vocabulary");
  if (count > vocab) {
    return tokenizer.Bad(fmt::format(
        "has {} tokens for an embedding of {} rows: it belongs to another model", count, vocab));
  }
  AX_ASSIGN_OR_RETURN(const AddedTokens added, AddedTokensOf(tokenizer));
  AX_RETURN_IF_ERROR(AddEnds(folder, config, added,
                             IdOf(added, TokenText(settings.object(), "eos_token")),
                             &files.eos_ids));
  files.bos_id = IdOf(added, TokenText(settings.object(), "bos_token"));
  if (!files.bos_id) {
    AX_ASSIGN_OR_RETURN(const auto bos, config.Uints("bos_token_id"));
    if (!bos.empty()) files.bos_id = bos[0];
  }
  if (!settings.object().empty()) {
    files.tokenizer_config_json = json::Write(settings.object()) + "\n";
  }
  return files;
}

// Tokens that were added to the pieces get the ids behind them, or give a piece another text.
Status AddTokens(const SettingsJson& settings, const AddedTokens& added, TokenizerFacts* facts) {
  for (const auto& [id, token] : added) {
    if (id < facts->tokens.size()) {
      if (!token.content.empty() && token.content != facts->tokens[id]) {
        facts->tokens[id] = token.content;
        if (facts->kinds[id] != kUnknown) facts->kinds[id] = kUserDefined;
      }
      if (token.special && facts->kinds[id] != kUnknown) facts->kinds[id] = kControl;
      continue;
    }
    if (id != facts->tokens.size()) {
      return settings.Bad(
          fmt::format("adds token {}, but none has the id {}", id, facts->tokens.size()));
    }
    facts->tokens.push_back(token.content);
    facts->kinds.push_back(token.special ? kControl : kUserDefined);
    facts->scores.push_back(0.0);
  }
  return {};
}

Result<TokenizerFiles> FromPieces(const fs::path& folder, const SettingsJson& config,
                                  const SettingsJson& settings, uint32_t vocab) {
  const fs::path path = folder / "tokenizer.model";
  AX_ASSIGN_OR_RETURN(const axollama::MappedFile file, axollama::MappedFile::Open(path));
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               file.bytes().size());
  AX_ASSIGN_OR_RETURN(TokenizerFacts facts, ParseSentencePiece(path, bytes));
  if (facts.tokens.size() > vocab) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} has {} tokens for an embedding of {} rows: it belongs to another "
                            "model",
                            path.string(), facts.tokens.size(), vocab));
  }
  AX_ASSIGN_OR_RETURN(const AddedTokens added, AddedTokensBeside(folder, settings));
  AX_RETURN_IF_ERROR(AddTokens(settings, added, &facts));
  const auto id_of = [&](const char* key, std::optional<uint32_t>* id) {
    const std::string text = TokenText(settings.object(), key);
    const auto found = std::find(facts.tokens.begin(), facts.tokens.end(), text);
    if (!text.empty() && found != facts.tokens.end()) {
      *id = static_cast<uint32_t>(found - facts.tokens.begin());
    }
  };
  id_of("bos_token", &facts.bos);
  id_of("eos_token", &facts.eos);
  id_of("pad_token", &facts.padding);
  AX_ASSIGN_OR_RETURN(facts.add_bos, settings.Bool("add_bos_token", true));
  AX_ASSIGN_OR_RETURN(facts.add_eos, settings.Bool("add_eos_token", false));
  AX_ASSIGN_OR_RETURN(facts.add_space, settings.Bool("add_prefix_space", facts.add_space));
  facts.chat_template = TemplateText(settings.object());
  AX_RETURN_IF_ERROR(AddEnds(folder, config, added, std::nullopt, &facts.ends));
  return MakeTokenizer(path, facts);
}

}  // namespace

Result<TokenizerFiles> TokenizerOfFolder(const fs::path& folder, const SettingsJson& config,
                                         uint32_t vocab) {
  AX_ASSIGN_OR_RETURN(const SettingsJson settings,
                      SettingsJson::ReadIfThere(folder / "tokenizer_config.json"));
  const bool whole = IsThere(folder / "tokenizer.json");
  if (!whole && !IsThere(folder / "tokenizer.model")) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} has neither tokenizer.json nor tokenizer.model: download it too",
                            folder.string()));
  }
  AX_ASSIGN_OR_RETURN(TokenizerFiles files, whole ? FromJson(folder, config, settings, vocab)
                                                  : FromPieces(folder, config, settings, vocab));
  const fs::path jinja = folder / "chat_template.jinja";
  if (IsThere(jinja)) {
    AX_ASSIGN_OR_RETURN(files.chat_template, axollama::ReadFile(jinja, kMaxTemplate));
  }
  for (const uint32_t id : files.eos_ids) {
    if (id >= vocab) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} names token {} as an end, but the embedding has {} rows",
                              folder.string(), id, vocab));
    }
  }
  return files;
}

}  // namespace axsim::build
