#include "text/grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_tokenizer.h"
#include "text/tokenizer.h"

namespace axollama::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t kEnd = 258, kStop = 259, kCall = 260;
constexpr uint32_t kVocab = 300;  // padded, as models are
constexpr int32_t kEnds[] = {kEnd, kStop};

class GrammarTest : public testing::Test {
 protected:
  GrammarTest() {
    std::string folder = (std::filesystem::temp_directory_path() / "grammarXXXXXX").string();
    const std::filesystem::path path = std::filesystem::path(mkdtemp(folder.data())) / "t.json";
    std::ofstream(path, std::ios::binary) << ByteTokenizerJson();
    auto tokenizer = Tokenizer::Load(path);
    std::filesystem::remove_all(folder);
    EXPECT_TRUE(tokenizer) << tokenizer.error().message;
    auto grammars = (*tokenizer)->MakeGrammars(kVocab, kEnds);
    EXPECT_TRUE(grammars) << grammars.error().message;
    grammars_ = std::move(*grammars);  // outlives the tokenizer
  }

  std::unique_ptr<Grammar> Compile(GrammarKind kind, std::string_view text) {
    auto grammar = grammars_->Compile(kind, text);
    EXPECT_TRUE(grammar) << text << ": " << grammar.error().message;
    return grammar ? std::move(*grammar) : nullptr;
  }

  std::string WhyNot(GrammarKind kind, std::string_view text) {
    const auto grammar = grammars_->Compile(kind, text);
    EXPECT_FALSE(grammar) << text;
    if (grammar) return "";
    EXPECT_EQ(grammar.error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(grammar.error().message.find('\n'), std::string::npos);
    return grammar.error().message;
  }

  static bool Allows(Grammar& grammar, int32_t token) {
    std::vector<uint32_t> words((kVocab + 31) / 32, 0xAAAAAAAA);
    const Status status = grammar.Mask(words);
    EXPECT_TRUE(status) << status.error().message;
    for (uint32_t id = 261; id < words.size() * 32; ++id) {
      EXPECT_FALSE(words[id / 32] >> id % 32 & 1) << "there is no token " << id;
    }
    return words[static_cast<size_t>(token) / 32] >> token % 32 & 1;
  }

  // How much of the text a grammar takes byte by byte; "end" behind it where it may end there.
  std::string Takes(GrammarKind kind, std::string_view grammar_text, std::string_view text) {
    const std::unique_ptr<Grammar> grammar = Compile(kind, grammar_text);
    std::string taken;
    for (const char c : text) {
      const int32_t token = static_cast<unsigned char>(c);
      // Bytes that must come next are masked as the tokenizer would write them, `{"` as one.
      std::vector<int32_t> forced;
      EXPECT_TRUE(grammar->Forced(&forced));
      if (!Allows(*grammar, token) && (forced.empty() || forced[0] < 256)) return taken;
      if (const Status accepted = grammar->Accept(token); !accepted) return taken;
      taken += c;
    }
    const bool end = Allows(*grammar, kEnd);
    EXPECT_EQ(end, Allows(*grammar, kStop));
    return taken + (end ? " end" : "");
  }

  std::unique_ptr<Grammars> grammars_;
};

TEST_F(GrammarTest, Kinds) {
  EXPECT_EQ(Takes(GrammarKind::kLark, "start: \"a\" B+\nB: /[bc]/", "abcb"), "abcb end");
  EXPECT_EQ(Takes(GrammarKind::kLark, "start: \"a\" B+\nB: /[bc]/", "a"), "a");
  EXPECT_EQ(Takes(GrammarKind::kRegex, "a/\\d{2}|é", "a/12"), "a/12 end");
  EXPECT_EQ(Takes(GrammarKind::kRegex, "a/\\d{2}|é", "a/1x"), "a/1");
  EXPECT_EQ(Takes(GrammarKind::kRegex, "a/\\d{2}|é", "é"), "é end");
  constexpr std::string_view kSchema =
      R"({"type":"object","properties":{"n":{"type":"integer"},"s":{"enum":["x","y"]}},)"
      R"("required":["n"],"additionalProperties":false})";
  EXPECT_EQ(Takes(GrammarKind::kJsonSchema, kSchema, R"({"n": 12, "s":"y"})"),
            R"({"n": 12, "s":"y"} end)");
  EXPECT_EQ(Takes(GrammarKind::kJsonSchema, kSchema, R"({"n":1.5})"), R"({"n":1)");
  EXPECT_EQ(Takes(GrammarKind::kJsonSchema, kSchema, R"({"s")"), R"({")");
  EXPECT_EQ(Takes(GrammarKind::kJsonSchema, "true", "[1, null]"), "[1, null] end");
}

// No model may fill an answer with white space.
TEST_F(GrammarTest, SpaceInJsonIsBounded) {
  EXPECT_EQ(Takes(GrammarKind::kJsonSchema, "{}", "[ 1]"), "[ 1] end");
  EXPECT_EQ(Takes(GrammarKind::kJsonSchema, "{}", "[\n\t\t1\n]"), "[\n\t\t1\n] end");
  EXPECT_EQ(Takes(GrammarKind::kJsonSchema, "{}", "[  1]"), "[ ");
  EXPECT_EQ(Takes(GrammarKind::kJsonSchema, "{}", "[\n\n\n"), "[\n\n");
}

TEST_F(GrammarTest, ForcedTokensAreTheTokenizersOwn) {
  const auto grammar = Compile(GrammarKind::kRegex, R"(\{"ab":[0-9]\})");
  std::vector<int32_t> forced;
  ASSERT_TRUE(grammar->Forced(&forced));
  EXPECT_THAT(forced, ElementsAre(256, 'a', 'b', 257));
  EXPECT_TRUE(Allows(*grammar, 256));
  EXPECT_FALSE(Allows(*grammar, '{'));
  for (const int32_t token : forced) EXPECT_TRUE(grammar->Accept(token));
  ASSERT_TRUE(grammar->Forced(&forced));
  EXPECT_TRUE(forced.empty());
  EXPECT_TRUE(Allows(*grammar, '7'));
  EXPECT_FALSE(grammar->complete());
  EXPECT_TRUE(grammar->Accept('7'));
  EXPECT_TRUE(grammar->Accept('}'));
  EXPECT_TRUE(grammar->complete());
  EXPECT_TRUE(Allows(*grammar, kEnd));
  EXPECT_FALSE(Allows(*grammar, '}'));
}

// SentencePiece's manner puts a space before a text; these tokens stand in the middle of one. The
// longest match first would be ab, c.
TEST(GrammarsTest, ForcedTokensOfSentencePieceHaveNoSpaceBefore) {
  std::string folder = (std::filesystem::temp_directory_path() / "grammarXXXXXX").string();
  const std::filesystem::path path = std::filesystem::path(mkdtemp(folder.data())) / "t.json";
  std::ofstream(path) << R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
 "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
  {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
 "pre_tokenizer":null,"post_processor":null,
 "decoder":{"type":"Sequence","decoders":[
  {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
  {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
 "model":{"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,
  "end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,"ignore_merges":false,
  "vocab":{"<unk>":0,"<0x02>":1,"▁":2,"a":3,"b":4,"c":5,"ab":6,"bc":7,"▁a":8},
  "merges":["b c","a b","▁ a"]}})";
  const auto tokenizer = Tokenizer::Load(path);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT(*(*tokenizer)->Encode("abc", {}), ElementsAre(8, 7));
  const auto grammars = (*tokenizer)->MakeGrammars(9, {});
  ASSERT_TRUE(grammars) << grammars.error().message;
  const auto grammar = (*grammars)->Compile(GrammarKind::kRegex, "abc[ab]");
  ASSERT_TRUE(grammar) << grammar.error().message;
  std::vector<int32_t> forced;
  ASSERT_TRUE((*grammar)->Forced(&forced));
  EXPECT_THAT(forced, ElementsAre(3, 7));
}

TEST_F(GrammarTest, ATokenThatIsNotAllowedIsAnError) {
  const auto grammar = Compile(GrammarKind::kRegex, "[ab]");
  EXPECT_FALSE(grammar->Accept('c'));
}

TEST_F(GrammarTest, SpecialTokensAreNoText) {
  const auto text = Compile(GrammarKind::kRegex, "(?s:.*)");
  EXPECT_TRUE(Allows(*text, 'x'));
  EXPECT_FALSE(Allows(*text, kCall));
  EXPECT_TRUE(Allows(*text, kEnd));
  const auto named = Compile(GrammarKind::kLark, "start: <CALL> \"x\"");
  EXPECT_TRUE(Allows(*named, kCall));
  EXPECT_FALSE(Allows(*named, '['));
  const auto numbered = Compile(GrammarKind::kLark, "start: \"a\" <[260]> \"x\" /[yz]/");
  std::vector<int32_t> forced;
  ASSERT_TRUE(numbered->Forced(&forced));
  EXPECT_THAT(forced, ElementsAre('a', kCall, 'x'));
  for (const int32_t token : forced) EXPECT_TRUE(numbered->Accept(token));
  EXPECT_TRUE(Allows(*numbered, 'z'));
}

constexpr std::string_view kJsonGbnf = R"(root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
         string ":" ws value
    ("," ws string ":" ws value)*
  )? ws "}"
array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? ws "]"
string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F]) # escapes
  )* "\""
number ::= ("-"? ([0-9] | [1-9] [0-9]*)) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
# white space
ws ::= ([ \t\n] ws)?)";

TEST_F(GrammarTest, GbnfOfJson) {
  const std::string whole = R"({ "a": [1, -2.5e+3, "\u00e9é"], "b" : {}})";
  EXPECT_EQ(Takes(GrammarKind::kGbnf, kJsonGbnf, R"({ "a": [1, -2.5e+3, "\u00e9é"], "b":{}})"),
            R"({ "a": [1, -2.5e+3, "\u00e9é"], "b":{}} end)");
  EXPECT_EQ(Takes(GrammarKind::kGbnf, kJsonGbnf, R"({"a":x})"), R"({"a":)");
  EXPECT_EQ(Takes(GrammarKind::kGbnf, kJsonGbnf, R"({"a":[tru])"), R"({"a":[tru)");
  EXPECT_EQ(Takes(GrammarKind::kGbnf, kJsonGbnf, "[1]"), "");
}

TEST_F(GrammarTest, GbnfParts) {
  const struct {
    std::string_view grammar, text, taken;
  } cases[] = {
      {"root ::= [a-z]{2,3} \"!\"", "ab!", "ab! end"},
      {"root ::= [a-z]{2,3} \"!\"", "a!", "a"},
      {"root ::= [a-z]+ \"x\"", "axbx", "axbx end"},  // not the longest match first
      {"root ::= (\"ab\")* .", "ababc", "ababc end"},
      {"root ::= \"(\" root \")\" | \"x\"", "((x))", "((x)) end"},
      {"root ::= \"(\" root \")\" | \"x\"", "((x)x", "((x)"},
      {"root ::= item-1 (\",\" item-1)*\nitem-1 ::= [^,]", "a,b", "a,b end"},
      {"root ::= \"\\x41\\u00e9\\U0001F600\\n\\t\\\"\"", "Aé😀\n\t\"", "Aé😀\n\t\" end"},
      {"root ::= [\\]\\[^/-]*", "]^[-/", "]^[-/ end"},
      {"root ::= \"\" | \"a\"", "", " end"},
      {"root ::= \"a\"{0} \"b\"{1,} ", "bb", "bb end"},
      {"# nothing else\nroot ::=\n  \"a\" |\n  \"b\" # or\n", "b", "b end"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(Takes(GrammarKind::kGbnf, one.grammar, one.text), one.taken) << one.grammar;
  }
  const auto named = Compile(GrammarKind::kGbnf, "root ::= <CALL> [ab]");
  EXPECT_TRUE(Allows(*named, kCall));
  EXPECT_FALSE(Allows(*named, 'a'));
}

TEST_F(GrammarTest, ABadGrammarSaysWhere) {
  const struct {
    GrammarKind kind;
    std::string_view text, why;
  } cases[] = {
      {GrammarKind::kGbnf, "", "no rule \"root\""},
      {GrammarKind::kGbnf, "root ::= a", "line 1, column 10: the rule \"a\" is not defined"},
      {GrammarKind::kGbnf, "root ::= \"a", "line 1, column 12"},
      {GrammarKind::kGbnf, "root ::= \"a\"\nroot ::= \"b\"", "line 2, column 6"},
      {GrammarKind::kGbnf, "root ::= [b-a]", "the range ends before it begins"},
      {GrammarKind::kGbnf, "root ::= \"a\"{3,2}", "{m,n}"},
      {GrammarKind::kGbnf, "root ::= \"a\"{99999}", "from 0 to 2000"},
      {GrammarKind::kGbnf, "root ::= *", "nothing to repeat"},
      {GrammarKind::kGbnf, "root ::= \"\\q\"", "this escape is not known"},
      {GrammarKind::kGbnf, "root ::= <>", "a token in angle brackets"},
      {GrammarKind::kGbnf, "root ::= (\"a\"", "\")\" is expected"},
      {GrammarKind::kGbnf, "root ::= \"a\" )", "line 1, column 14"},
      {GrammarKind::kLark, "start: /a/\nb = 2", "2(3)"},
      {GrammarKind::kLark, "begin: /a/", "no start rule"},
      {GrammarKind::kRegex, "(a", "regular expression"},
      {GrammarKind::kRegex, "a\\", "in the middle of an escape"},
      {GrammarKind::kRegex, "", "empty"},
      {GrammarKind::kJsonSchema, "{", "no JSON"},
      {GrammarKind::kJsonSchema, "7", "object or boolean"},
      {GrammarKind::kJsonSchema, R"({"type":"string","not":{"const":"a"}})", "\"not\""},
      {GrammarKind::kJsonSchema, R"({"type":"array","uniqueItems":true})", "uniqueItems"},
      {GrammarKind::kJsonSchema, R"({"$ref":"#/$defs/a"})", "$defs"},
      {GrammarKind::kJsonSchema, R"({"$ref":"#/a","a":{"$id":"b"}})", "\"$id\""},
      {GrammarKind::kJsonSchema, R"({"type":"string","format":"color"})", "color"},
      {GrammarKind::kJsonSchema, R"({"oneOf":[{"minimum":1},{"maximum":2}]})", "oneOf"},
      {GrammarKind::kJsonSchema, "false", "Unsatisfiable"},
      {GrammarKind::kLark, "start: start", "cannot be followed"},
      {GrammarKind::kJsonSchema, R"({"multipleOf":1234567})", "multipleOf"},
      {GrammarKind::kJsonSchema, R"({"multipleOf":1e-300})", "multipleOf"},
      {GrammarKind::kJsonSchema, R"({"items":[{"multipleOf":9973},{"multipleOf":0.11}]})",
       "multipleOf"},
  };
  for (const auto& one : cases) {
    EXPECT_THAT(WhyNot(one.kind, one.text), HasSubstr(one.why)) << one.text;
  }
}

std::string Times(int count, std::string_view text) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

// What users of other servers crash them with.
TEST_F(GrammarTest, HostileGrammarsAreRefused) {
  EXPECT_THAT(WhyNot(GrammarKind::kGbnf, "root ::= " + Times(60'000, "(")), HasSubstr("too deep"));
  WhyNot(GrammarKind::kLark, "start: " + Times(60'000, "("));
  WhyNot(GrammarKind::kRegex, Times(60'000, "(") + "a" + Times(60'000, ")"));
  WhyNot(GrammarKind::kJsonSchema, Times(60'000, R"({"items":)") + "{}" + Times(60'000, "}"));
  WhyNot(GrammarKind::kJsonSchema, Times(60'000, "["));
  WhyNot(GrammarKind::kRegex, std::string(2u << 20, 'a'));
}

// Those that are not refused must still answer, if only with an error.
TEST_F(GrammarTest, HostileGrammarsStayBounded) {
  const std::pair<GrammarKind, std::string> cases[] = {
      {GrammarKind::kRegex, "((((a{1,999}){1,999}){1,999}){1,999}b){1,999}"},
      {GrammarKind::kRegex, "a{100000000}b"},
      {GrammarKind::kRegex, "(a|aa)*b(.*a.{400}){3}"},
      {GrammarKind::kRegex, Times(200, "(") + "a" + Times(200, ")")},
      {GrammarKind::kLark, "start: ((((\"a\"{1,2000}){1,2000}){1,2000}){1,2000}){1,2000}"},
      {GrammarKind::kLark, "start: \"a\"{2000} (\"b\"{2000}){2000}"},
      {GrammarKind::kLark, "start: start"},
      {GrammarKind::kLark, "start: start start |"},
      {GrammarKind::kGbnf, "root ::= root \"a\" | root root | \"a\""},
      {GrammarKind::kGbnf, "root ::= " + Times(60, "(") + "\"a\"*" + Times(60, ")*")},
      {GrammarKind::kJsonSchema, R"({"type":"string","minLength":1000000000})"},
      {GrammarKind::kJsonSchema, R"({"type":"array","minItems":1000000000})"},
      {GrammarKind::kJsonSchema, R"({"type":"integer","multipleOf":9973})"},
      {GrammarKind::kJsonSchema, R"({"$ref":"#"})"},
  };
  for (const auto& [kind, text] : cases) {
    const auto compiled = grammars_->Compile(kind, text);
    if (!compiled) {
      EXPECT_EQ(compiled.error().kind, ErrorKind::kInvalid) << compiled.error().message;
      continue;
    }
    const std::unique_ptr<Grammar>& grammar = *compiled;
    std::vector<int32_t> forced;
    std::vector<uint32_t> words((kVocab + 31) / 32);
    Status status;
    for (int i = 0; status && i < 40; ++i) {
      status = grammar->Forced(&forced);
      EXPECT_LE(forced.size(), 1'000'000u) << text;
      if (status) status = grammar->Mask(words);
      if (status) status = grammar->Accept(forced.empty() ? '1' : forced[0]);
    }
    if (!status) {
      EXPECT_EQ(status.error().kind, ErrorKind::kInvalid) << status.error().message;
    }
  }
}

TEST_F(GrammarTest, SchemasInsideLarkAreHeldToTheSameRules) {
  constexpr std::string_view kLark =
      "start: \"%json 1\" /%json 2/ call // %json 3\n"
      "call: %json {\"type\":\"array\",\"x-guidance\":{\"whitespace_pattern\":\"x\"}}\n";
  EXPECT_EQ(Takes(GrammarKind::kLark, kLark, "%json 1%json 2[ 1]"), "%json 1%json 2[ 1] end");
  EXPECT_EQ(Takes(GrammarKind::kLark, kLark, "%json 1%json 2[  "), "%json 1%json 2[ ");
  // The spacing of calls (dialect/required_tools) is the only one that may be asked for.
  constexpr std::string_view kExact =
      R"(start: %json {"type":"array","x-guidance":{"whitespace_flexible":false,)"
      R"("item_separator":", ","key_separator":": "}})";
  EXPECT_EQ(Takes(GrammarKind::kLark, kExact, "[1, 2]"), "[1, 2] end");
  EXPECT_EQ(Takes(GrammarKind::kLark, kExact, "[ 1]"), "[");
  EXPECT_EQ(Takes(GrammarKind::kLark, kExact, "[1,2]"), "[1,");
  EXPECT_THAT(WhyNot(GrammarKind::kLark, R"(start: %json {"multipleOf":1234567})"),
              HasSubstr("multipleOf"));
  EXPECT_THAT(WhyNot(GrammarKind::kLark, R"(start: %json {"not":{}})"), HasSubstr("\"not\""));
  EXPECT_THAT(WhyNot(GrammarKind::kLark, "start: %json"), HasSubstr("a schema is expected"));
  EXPECT_THAT(WhyNot(GrammarKind::kLark, "start: %json {\"a\":"), HasSubstr("%json: EOF"));
}

// As deep as the limits let it: rules in rules.
TEST_F(GrammarTest, LongChainsOfRulesDoNotExhaustTheStack) {
  std::string gbnf = "root ::= a0\n", lark = "start: a0\n";
  for (int i = 0; i < 9'000; ++i) {
    const std::string name = "a" + std::to_string(i), next = "a" + std::to_string(i + 1);
    gbnf += name + " ::= \"x\" " + next + " | \"y\" root \"z\"\n";
    lark += name + ": \"x\" " + next + " | \"y\" start \"z\"\n";
  }
  gbnf += "a9000 ::= \"e\"\n";
  lark += "a9000: \"e\"\n";
  for (const auto& [kind, text] :
       {std::pair(GrammarKind::kGbnf, gbnf), {GrammarKind::kLark, lark}}) {
    const auto grammar = grammars_->Compile(kind, text);
    if (!grammar) continue;  // refused: fine
    EXPECT_TRUE(Allows(**grammar, 'x'));
    EXPECT_FALSE(Allows(**grammar, 'z'));
  }
}

}  // namespace
}  // namespace axollama::text
