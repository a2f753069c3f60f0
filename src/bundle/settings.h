// What a bundle's publisher wrote down: config.json with ax-llm's keys or Hugging Face's,
// generation_config.json, tokenizer_config.json, the chat template.
//
// All of it is optional: many published folders have an empty config.json (design 5). What is
// there must be well-formed; a wrong type is an error that names the file and the key.
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace axollama::bundle {

struct Settings {
  std::optional<uint32_t> layers;          // axmodel_num
  std::optional<uint32_t> embed_tokens;    // tokens_embed_num
  std::optional<uint32_t> embed_width;     // tokens_embed_size, hidden_size
  std::optional<uint32_t> context_tokens;  // axollama.context
  std::optional<uint64_t> parameters;      // axollama.parameters
  std::string model_type;                  // model_type, as Hugging Face's
  std::string layer_template;              // template_filename_axmodel, file name only
  std::string post_name;                   // filename_post_axmodel, file name only
  std::string embed_name;                  // filename_tokens_embed, file name only
  std::string tokenizer_name;              // url_tokenizer_model, file name only
  std::string weights;                     // axollama.weights
  bool is_embedding = false;
  std::string system_prompt;
  std::optional<int32_t> bos_id;
  std::vector<int32_t> eos_ids;  // in the order of their sources, no doubles
  std::vector<std::string> stop_strings;
  std::vector<std::pair<std::string, double>> architecture;  // see Bundle
  std::vector<std::string> notes;
};

Result<Settings> ReadSettings(const std::filesystem::path& folder);

struct TokenizerFacts {
  std::filesystem::path file;  // tokenizer.json, or AXERA's text form
  std::string bos_token, eos_token;
  std::string chat_template;
  std::map<std::string, int32_t, std::less<>> added_tokens;
  std::vector<int32_t> end_ids;  // of AXERA's text form
  std::vector<std::string> notes;
};

// `preferred` is Settings::tokenizer_name. kInvalid when the folder has no tokenizer.
Result<TokenizerFacts> ReadTokenizerFacts(const std::filesystem::path& folder,
                                          const std::string& preferred);

// The "added_tokens" array of a tokenizer.json, found by scanning, since a whole parse of such a
// file costs tens of MB. Empty if there is none.
std::map<std::string, int32_t, std::less<>> ScanAddedTokens(std::string_view tokenizer_json);

}  // namespace axollama::bundle
