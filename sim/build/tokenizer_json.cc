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
  std::string_view name;  // TokenizerFacts::splitter
  std::string_view json;  // the "pre_tokenizer" of tokenizer.json
  std::string_view normalizer;
  bool ignore_merges = false;  // a word of the vocabulary is taken whole
  bool add_bos = false;        // when the source does not say
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

// The tokens by their text, beside what the source says of them.
struct Vocabulary {
  const TokenizerFacts& facts;
  const std::filesystem::path& source;
  std::unordered_map<std::string_view, uint32_t> ids;
};

auto Bad(const std::filesystem::path& source, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", source.string(), what));
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
Status CheckMerges(const Vocabulary& v) {
  std::string joined;
  for (size_t i = 0; i < v.facts.merges.size(); ++i) {
    const std::string_view merge = v.facts.merges[i];
    const size_t space = merge.find(' ');
    if (space != std::string_view::npos && merge.find(' ', space + 1) == std::string_view::npos) {
      const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
      joined.assign(left).append(right);
      if (v.ids.count(left) && v.ids.count(right) && v.ids.count(joined)) continue;
    }
    return Bad(v.source, fmt::format("has a merge {} whose tokens are not in its vocabulary", i));
  }
  return {};
}

Result<Vocabulary> IndexTokens(const std::filesystem::path& source, const TokenizerFacts& facts) {
  Vocabulary v{facts, source, {}};
  if (facts.kinds.size() != facts.tokens.size()) {
    return Bad(source, fmt::format("has {} token types for {} tokens", facts.kinds.size(),
                                   facts.tokens.size()));
  }
  for (uint32_t id = 0; id < facts.tokens.size(); ++id) {
    if (facts.tokens[id].empty() || !IsUtf8(facts.tokens[id])) {
      return Bad(source, fmt::format("has a token {} that is empty or no UTF-8", id));
    }
    if (!v.ids.emplace(facts.tokens[id], id).second) {
      return Bad(source, fmt::format("has token {} twice in its vocabulary", id));
    }
  }
  std::vector<uint32_t> named = facts.ends;
  for (const auto& id : {facts.bos, facts.eos, facts.unknown, facts.padding}) {
    if (id) named.push_back(*id);
  }
  for (const uint32_t id : named) {
    if (id >= facts.tokens.size()) {
      return Bad(source, fmt::format("names token {}, which it has not", id));
    }
  }
  return v;
}

std::string AddedTokens(const TokenizerFacts& f) {
  std::string out = "[";
  for (size_t id = 0; id < f.tokens.size(); ++id) {
    const bool special = f.kinds[id] == kControl || f.kinds[id] == kUnknown;
    if (!special && f.kinds[id] != kUserDefined) continue;
    if (out.size() > 1) out += ',';
    out +=
        fmt::format(R"({{"id":{},"content":{},"single_word":false,"lstrip":false,"rstrip":false,)"
                    R"("normalized":false,"special":{}}})",
                    id, Quoted(f.tokens[id]), special);
  }
  return out + "]";
}

// What Encode adds around the text: BOS, EOS or nothing.
std::string PostProcessor(const TokenizerFacts& f, std::optional<uint32_t> before,
                          std::optional<uint32_t> after) {
  if (!before && !after) return "null";
  std::string special, single;
  const auto add_special = [&](uint32_t id) {
    const std::string text = Quoted(f.tokens[id]);
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

std::string VocabularyObject(const TokenizerFacts& f) {
  std::string out = "{";
  for (size_t id = 0; id < f.tokens.size(); ++id) {
    if (id > 0) out += ',';
    out += fmt::format("{}:{}", Quoted(f.tokens[id]), id);
  }
  return out + "}";
}

// Byte-level BPE. No unk_token, although the source may name one: a byte that the vocabulary lacks
// is dropped, as llama.cpp and the published tokenizer.json files of these models do it.
std::string Model(const TokenizerFacts& f, bool ignore_merges) {
  std::string out = fmt::format(
      R"({{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,)"
      R"("end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":{},)"
      R"("vocab":{},"merges":[)",
      ignore_merges, VocabularyObject(f));
  for (size_t i = 0; i < f.merges.size(); ++i) {
    if (i > 0) out += ',';
    out += Quoted(f.merges[i]);
  }
  return out + "]}";
}

// SentencePiece: letters that are no piece become the tokens of their bytes.
Result<std::string> PieceModel(const Vocabulary& v) {
  const TokenizerFacts& f = v.facts;
  if (f.scores.size() != f.tokens.size()) {
    return Bad(v.source,
               fmt::format("has {} scores for {} tokens", f.scores.size(), f.tokens.size()));
  }
  if (std::any_of(f.scores.begin(), f.scores.end(), [](double s) { return std::isnan(s); })) {
    return Bad(v.source, "has a token whose score is no number");
  }
  std::vector<uint8_t> normal(f.kinds.size());
  std::string unknown = "null";
  for (size_t id = 0; id < normal.size(); ++id) {
    normal[id] = f.kinds[id] == kNormal;
    if (f.kinds[id] == kUnknown) unknown = Quoted(f.tokens[id]);
  }
  std::string out = fmt::format(
      R"({{"type":"BPE","dropout":null,"unk_token":{},"continuing_subword_prefix":null,)"
      R"("end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,"ignore_merges":false,)"
      R"("vocab":{},"merges":[)",
      unknown, VocabularyObject(f));
  bool first = true;
  for (const Merge& merge : MergesOfPieces(f.tokens, normal, f.scores, v.ids)) {
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

Result<const PreTokenizer*> FindPreTokenizer(const Vocabulary& v) {
  const auto* rules =
      std::find_if(std::begin(kPreTokenizers), std::end(kPreTokenizers),
                   [&](const PreTokenizer& p) { return p.name == v.facts.splitter; });
  if (rules == std::end(kPreTokenizers)) {
    return Bad(v.source, fmt::format("has the pre-tokenizer \"{}\", which is not built yet: "
                                     "smollm, gpt-2, llama-bpe and qwen2 are",
                                     v.facts.splitter));
  }
  return rules;
}

Result<Form> ByteLevelForm(const Vocabulary& v, const PreTokenizer& rules) {
  if (v.facts.add_space) {
    return Bad(v.source, "puts a space before every text, which is not built yet");
  }
  AX_RETURN_IF_ERROR(CheckMerges(v));
  return Form{rules.normalizer, rules.json, kDecoder, Model(v.facts, rules.ignore_merges)};
}

Result<Form> PieceForm(const Vocabulary& v) {
  AX_ASSIGN_OR_RETURN(std::string model, PieceModel(v));
  return Form{v.facts.add_space ? kPrefixAndSpaces : kSpaces, "null",
              v.facts.add_space ? kPrefixPieceDecoder : kPieceDecoder, std::move(model)};
}

std::string TokenizerConfig(const TokenizerFacts& f, bool add_bos) {
  json::Object config;
  config["add_bos_token"] = add_bos;
  config["add_prefix_space"] = false;
  const auto name = [&](const char* key, std::optional<uint32_t> id) {
    if (id) config[key] = json::String(f.tokens[*id]);
  };
  name("bos_token", f.bos);
  name("eos_token", f.eos);
  name("unk_token", f.unknown);
  name("pad_token", f.padding);
  config["clean_up_tokenization_spaces"] = false;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  return json::Write(config) + "\n";
}

}  // namespace

Result<TokenizerFiles> MakeTokenizer(const std::filesystem::path& source, const TokenizerFacts& f) {
  AX_ASSIGN_OR_RETURN(const Vocabulary v, IndexTokens(source, f));
  const PreTokenizer* rules = nullptr;  // of byte-level BPE; SentencePiece splits nothing
  if (!f.pieces) {
    AX_ASSIGN_OR_RETURN(rules, FindPreTokenizer(v));
  }
  AX_ASSIGN_OR_RETURN(const Form form, rules ? ByteLevelForm(v, *rules) : PieceForm(v));
  const bool add_bos = f.add_bos.value_or(!rules || rules->add_bos);
  if ((add_bos && !f.bos) || (f.add_eos && !f.eos)) {
    return Bad(source, "adds a token to every text, but does not say which");
  }
  if (!IsUtf8(f.chat_template)) return Bad(source, "has a chat template that is no UTF-8");
  TokenizerFiles files;
  files.bos_id = f.bos;
  files.chat_template = f.chat_template;
  const auto ends = [&files](uint32_t id) {
    auto& ids = files.eos_ids;
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  if (f.eos) ends(*f.eos);
  for (const uint32_t id : f.ends) ends(id);
  for (const std::string_view text : kEndTokens) {
    const auto found = v.ids.find(text);
    if (found != v.ids.end() && f.kinds[found->second] == kControl) ends(found->second);
  }
  files.tokenizer_json = fmt::format(
      R"({{"version":"1.0","truncation":null,"padding":null,"added_tokens":{},"normalizer":{},)"
      R"("pre_tokenizer":{},"post_processor":{},"decoder":{},"model":{}}})",
      AddedTokens(f), form.normalizer, form.pre_tokenizer,
      PostProcessor(f, add_bos ? f.bos : std::nullopt, f.add_eos ? f.eos : std::nullopt),
      form.decoder, form.model);
  files.tokenizer_config_json = TokenizerConfig(f, add_bos);
  return files;
}

}  // namespace axsim::build
