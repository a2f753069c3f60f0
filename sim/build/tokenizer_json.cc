#include "sim/build/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "base/json.h"
#include "sim/build/sentencepiece.h"

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
namespace json = axollama::json;

// Numbers of llama_token_type.
enum TokenKind : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

constexpr std::string_view kDigitsThenByteLevel =
    R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})";
constexpr std::string_view kByteLevel =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
// Llama 3 splits numbers into groups of up to three digits, Qwen2 into single ones.
constexpr std::string_view kLlama3 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)"
    R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|)"
    R"( ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated",)"
    R"("invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,)"
    R"("use_regex":false}]})";
constexpr std::string_view kQwen2 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)"
    R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|)"
    R"( ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated",)"
    R"("invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,)"
    R"("use_regex":false}]})";

struct PreTokenizer {
  std::string_view name;  // tokenizer.ggml.pre
  std::string_view json;  // the "pre_tokenizer" of tokenizer.json
  std::string_view normalizer;
  bool ignore_merges = false;  // a word of the vocabulary is taken whole
  bool add_bos = false;        // when the GGUF does not say
};
constexpr PreTokenizer kPreTokenizers[] = {
    {"smollm", kDigitsThenByteLevel, "null"},
    {"gpt-2", kByteLevel, "null"},
    {"llama-bpe", kLlama3, "null", true, true},
    {"qwen2", kQwen2, R"({"type":"NFC"})"},
};

constexpr std::string_view kDecoder =
    R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})";

// SentencePiece writes a space as U+2581, and where a space is put before every text, it is one of
// those too, which the decoder takes away again.
constexpr std::string_view kSpaces =
    R"({"type":"Replace","pattern":{"String":" "},"content":"\u2581"})";
constexpr std::string_view kPrefixAndSpaces =
    R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},)"
    R"({"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]})";
constexpr std::string_view kPieceDecoder =
    R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},)"
    R"("content":" "},{"type":"ByteFallback"},{"type":"Fuse"}]})";
constexpr std::string_view kPrefixPieceDecoder =
    R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},)"
    R"("content":" "},{"type":"ByteFallback"},{"type":"Fuse"},)"
    R"({"type":"Strip","content":" ","start":1,"stop":0}]})";

// Control tokens that end an answer in whichever model has them, as in llama.cpp.
constexpr std::string_view kEndTokens[] = {"<|im_end|>", "<|endoftext|>", "<|eot_id|>",
                                           "<|end_of_text|>", "<end_of_turn>"};

struct Vocabulary {
  std::vector<std::string_view> tokens;
  std::vector<int64_t> kinds;
  std::vector<std::string_view> merges;  // of byte-level BPE only
  std::unordered_map<std::string_view, uint32_t> ids;
};

auto Bad(const Gguf& gguf, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", gguf.path().string(), what));
}

std::string Quoted(std::string_view text) { return json::Write(json::Value(json::String(text))); }

// Overlong forms, surrogates and numbers beyond U+10FFFF are no UTF-8.
bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = lead < 0x80   ? 1
                          : lead < 0xc2 ? 0
                          : lead < 0xe0 ? 2
                          : lead < 0xf0 ? 3
                          : lead < 0xf5 ? 4
                                        : 0;
    if (length == 0 || length > text.size() - i) return false;
    uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<uint8_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    if ((length == 3 && point < 0x800) || (length == 4 && point < 0x10000) || point > 0x10ffff ||
        (point >= 0xd800 && point < 0xe000)) {
      return false;
    }
    i += length;
  }
  return true;
}

// The tokenizers crate refuses a file with one bad merge, without saying which; so look here.
Status CheckMerges(const Gguf& gguf, const Vocabulary& v) {
  std::string joined;
  for (size_t i = 0; i < v.merges.size(); ++i) {
    const std::string_view merge = v.merges[i];
    const size_t space = merge.find(' ');
    if (space != std::string_view::npos && merge.find(' ', space + 1) == std::string_view::npos) {
      const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
      joined.assign(left).append(right);
      if (v.ids.count(left) && v.ids.count(right) && v.ids.count(joined)) continue;
    }
    return Bad(gguf, fmt::format("has a merge {} whose tokens are not in its vocabulary", i));
  }
  return {};
}

Result<Vocabulary> ReadVocabulary(const Gguf& gguf, uint32_t vocab, bool merges) {
  Vocabulary v;
  AX_ASSIGN_OR_RETURN(v.tokens, gguf.Texts("tokenizer.ggml.tokens"));
  AX_ASSIGN_OR_RETURN(v.kinds, gguf.Ints("tokenizer.ggml.token_type"));
  if (merges) {
    AX_ASSIGN_OR_RETURN(v.merges, gguf.Texts("tokenizer.ggml.merges"));
  }
  if (v.tokens.size() != vocab || v.kinds.size() != vocab) {
    return Bad(gguf, fmt::format("has {} tokens and {} token types for an embedding of {} rows",
                                 v.tokens.size(), v.kinds.size(), vocab));
  }
  for (uint32_t id = 0; id < vocab; ++id) {
    if (v.tokens[id].empty() || !IsUtf8(v.tokens[id])) {
      return Bad(gguf, fmt::format("has a token {} that is empty or no UTF-8", id));
    }
    if (!v.ids.emplace(v.tokens[id], id).second) {
      return Bad(gguf, fmt::format("has token {} twice in its vocabulary", id));
    }
  }
  return v;
}

// A token that a key names; absent where the GGUF has none.
Result<std::optional<uint32_t>> TokenOf(const Gguf& gguf, const Vocabulary& v, const char* key) {
  const std::string full = fmt::format("tokenizer.ggml.{}_token_id", key);
  if (!gguf.Find(full)) return std::optional<uint32_t>();
  AX_ASSIGN_OR_RETURN(const uint32_t id, gguf.Uint(full));
  if (id >= v.tokens.size())
    return Bad(gguf, fmt::format("names token {} as {}, which it has not", id, key));
  return std::optional<uint32_t>(id);
}

std::string AddedTokens(const Vocabulary& v) {
  std::string out = "[";
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    const bool special = v.kinds[id] == kControl || v.kinds[id] == kUnknown;
    if (!special && v.kinds[id] != kUserDefined) continue;
    if (out.size() > 1) out += ',';
    out +=
        fmt::format(R"({{"id":{},"content":{},"single_word":false,"lstrip":false,"rstrip":false,)"
                    R"("normalized":false,"special":{}}})",
                    id, Quoted(v.tokens[id]), special);
  }
  return out + "]";
}

// What Encode adds around the text: BOS, EOS or nothing.
std::string PostProcessor(const Vocabulary& v, std::optional<uint32_t> before,
                          std::optional<uint32_t> after) {
  if (!before && !after) return "null";
  std::string special, single;
  const auto add_special = [&](uint32_t id) {
    const std::string text = Quoted(v.tokens[id]);
    single += fmt::format(R"({{"SpecialToken":{{"id":{},"type_id":0}}}})", text);
    if (!special.empty()) {
      if (before == after) return;  // one entry serves both
      special += ',';
    }
    special += fmt::format(R"({0}:{{"id":{0},"ids":[{1}],"tokens":[{0}]}})", text, id);
  };
  if (before) {
    add_special(*before);
    single += ',';
  }
  single += R"({"Sequence":{"id":"A","type_id":0}})";
  if (after) {
    single += ',';
    add_special(*after);
  }
  return fmt::format(R"({{"type":"TemplateProcessing","single":[{}],"pair":[{},)"
                     R"({{"Sequence":{{"id":"B","type_id":1}}}}],"special_tokens":{{{}}}}})",
                     single, single, special);
}

std::string VocabularyObject(const Vocabulary& v) {
  std::string out = "{";
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    if (id > 0) out += ',';
    out += fmt::format("{}:{}", Quoted(v.tokens[id]), id);
  }
  return out + "}";
}

// Byte-level BPE. No unk_token, although the GGUF may name one: a byte that the vocabulary lacks is
// dropped, as llama.cpp and the published tokenizer.json files of these models do it.
std::string Model(const Vocabulary& v, bool ignore_merges) {
  std::string out = fmt::format(
      R"({{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,)"
      R"("end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":{},)"
      R"("vocab":{},"merges":[)",
      ignore_merges, VocabularyObject(v));
  for (size_t i = 0; i < v.merges.size(); ++i) {
    if (i > 0) out += ',';
    out += Quoted(v.merges[i]);
  }
  return out + "]}";
}

// SentencePiece: letters that are no piece become the tokens of their bytes.
Result<std::string> PieceModel(const Gguf& gguf, const Vocabulary& v) {
  AX_ASSIGN_OR_RETURN(const std::vector<double> scores, gguf.Floats("tokenizer.ggml.scores"));
  if (scores.size() != v.tokens.size()) {
    return Bad(gguf, fmt::format("has {} scores for {} tokens", scores.size(), v.tokens.size()));
  }
  if (std::any_of(scores.begin(), scores.end(), [](double s) { return std::isnan(s); })) {
    return Bad(gguf, "has a token whose score is no number");
  }
  std::vector<uint8_t> normal(v.kinds.size());
  std::string unknown = "null";
  for (size_t id = 0; id < normal.size(); ++id) {
    normal[id] = v.kinds[id] == kNormal;
    if (v.kinds[id] == kUnknown) unknown = Quoted(v.tokens[id]);
  }
  std::string out = fmt::format(
      R"({{"type":"BPE","dropout":null,"unk_token":{},"continuing_subword_prefix":null,)"
      R"("end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,"ignore_merges":false,)"
      R"("vocab":{},"merges":[)",
      unknown, VocabularyObject(v));
  bool first = true;
  for (const Merge& merge : MergesOfPieces(v.tokens, normal, scores, v.ids)) {
    if (!std::exchange(first, false)) out += ',';
    out += fmt::format("[{},{}]", Quoted(merge.left), Quoted(merge.right));
  }
  return out + "]}";
}

// The parts of tokenizer.json that the kind of tokenizer decides.
struct Form {
  std::string_view normalizer, pre_tokenizer, decoder;
  std::string model;
};

Result<Form> ByteLevelForm(const Gguf& gguf, const Vocabulary& v, const PreTokenizer& rules) {
  AX_ASSIGN_OR_RETURN(const bool add_space, gguf.Bool("tokenizer.ggml.add_space_prefix", false));
  if (add_space) return Bad(gguf, "puts a space before every text, which is not built yet");
  AX_RETURN_IF_ERROR(CheckMerges(gguf, v));
  return Form{rules.normalizer, rules.json, kDecoder, Model(v, rules.ignore_merges)};
}

Result<Form> PieceForm(const Gguf& gguf, const Vocabulary& v) {
  AX_ASSIGN_OR_RETURN(const bool add_space, gguf.Bool("tokenizer.ggml.add_space_prefix", true));
  AX_ASSIGN_OR_RETURN(std::string model, PieceModel(gguf, v));
  return Form{add_space ? kPrefixAndSpaces : kSpaces, "null",
              add_space ? kPrefixPieceDecoder : kPieceDecoder, std::move(model)};
}

Result<const PreTokenizer*> FindPreTokenizer(const Gguf& gguf) {
  AX_ASSIGN_OR_RETURN(const std::string pre, gguf.Text("tokenizer.ggml.pre", "default"));
  const auto* rules = std::find_if(std::begin(kPreTokenizers), std::end(kPreTokenizers),
                                   [&](const PreTokenizer& p) { return p.name == pre; });
  if (rules == std::end(kPreTokenizers)) {
    return Bad(gguf, fmt::format("has the pre-tokenizer \"{}\", which is not built yet: smollm, "
                                 "gpt-2, llama-bpe and qwen2 are",
                                 pre));
  }
  return rules;
}

}  // namespace

Result<TokenizerFiles> MakeTokenizer(const Gguf& gguf, uint32_t vocab) {
  AX_ASSIGN_OR_RETURN(const std::string model, gguf.Text("tokenizer.ggml.model"));
  if (model != "gpt2" && model != "llama") {
    return Bad(gguf, fmt::format("has a tokenizer of type \"{}\", which is not built yet: gpt2 and "
                                 "llama are",
                                 model));
  }
  const PreTokenizer* rules = nullptr;  // of byte-level BPE; SentencePiece splits nothing
  if (model == "gpt2") {
    AX_ASSIGN_OR_RETURN(rules, FindPreTokenizer(gguf));
  }
  AX_ASSIGN_OR_RETURN(const Vocabulary v, ReadVocabulary(gguf, vocab, rules != nullptr));
  AX_ASSIGN_OR_RETURN(const Form form, rules ? ByteLevelForm(gguf, v, *rules) : PieceForm(gguf, v));
  TokenizerFiles files;
  AX_ASSIGN_OR_RETURN(files.bos_id, TokenOf(gguf, v, "bos"));
  AX_ASSIGN_OR_RETURN(const auto eos, TokenOf(gguf, v, "eos"));
  AX_ASSIGN_OR_RETURN(const auto unknown, TokenOf(gguf, v, "unknown"));
  AX_ASSIGN_OR_RETURN(const auto padding, TokenOf(gguf, v, "padding"));
  AX_ASSIGN_OR_RETURN(const bool add_bos,
                      gguf.Bool("tokenizer.ggml.add_bos_token", !rules || rules->add_bos));
  AX_ASSIGN_OR_RETURN(const bool add_eos, gguf.Bool("tokenizer.ggml.add_eos_token", false));
  AX_ASSIGN_OR_RETURN(files.chat_template, gguf.Text("tokenizer.chat_template", ""));
  if (!IsUtf8(files.chat_template)) return Bad(gguf, "has a chat template that is no UTF-8");
  if ((add_bos && !files.bos_id) || (add_eos && !eos)) {
    return Bad(gguf, "adds a token to every text, but does not say which");
  }

  const auto ends = [&files](uint32_t id) {
    auto& ids = files.eos_ids;
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  if (eos) ends(*eos);
  for (const char* key : {"eot", "eom"}) {
    AX_ASSIGN_OR_RETURN(const auto id, TokenOf(gguf, v, key));
    if (id) ends(*id);
  }
  for (const std::string_view text : kEndTokens) {
    const auto found = v.ids.find(text);
    if (found != v.ids.end() && v.kinds[found->second] == kControl) ends(found->second);
  }

  files.tokenizer_json = fmt::format(
      R"({{"version":"1.0","truncation":null,"padding":null,"added_tokens":{},"normalizer":{},)"
      R"("pre_tokenizer":{},"post_processor":{},"decoder":{},"model":{}}})",
      AddedTokens(v), form.normalizer, form.pre_tokenizer,
      PostProcessor(v, add_bos ? files.bos_id : std::nullopt, add_eos ? eos : std::nullopt),
      form.decoder, form.model);

  json::Object config;
  config["add_bos_token"] = add_bos;
  config["add_prefix_space"] = false;
  const auto name = [&](const char* key, std::optional<uint32_t> id) {
    if (id) config[key] = json::String(v.tokens[*id]);
  };
  name("bos_token", files.bos_id);
  name("eos_token", eos);
  name("unk_token", unknown);
  name("pad_token", padding);
  config["clean_up_tokenization_spaces"] = false;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  files.tokenizer_config_json = json::Write(config) + "\n";
  return files;
}

}  // namespace axsim::build
