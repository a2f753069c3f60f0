#include "text/grammar.h"

#include <string>
#include <utility>

#include "text/textkit_call.h"

namespace axollama::text {
namespace {

// For a grammar that was fine so far.
Status Further(int32_t code, const KitBytes& error) {
  if (code == TEXTKIT_OK) return {};
  return Fail(code == TEXTKIT_INVALID ? ErrorKind::kInvalid : ErrorKind::kInternal,
              "the grammar cannot be followed any further: " + std::string(error.view()));
}

class KitGrammar final : public Grammar {
 public:
  explicit KitGrammar(textkit_grammar* grammar) : grammar_(grammar) {}
  ~KitGrammar() override { textkit_grammar_free(grammar_); }

  Status Mask(std::span<uint32_t> words) override {
    KitBytes error;
    return Further(textkit_grammar_mask(grammar_, words.data(), words.size(), &error), error);
  }

  Status Accept(int32_t token) override {
    KitBytes error;
    return Further(textkit_grammar_accept(grammar_, static_cast<uint32_t>(token), &error), error);
  }

  Status Forced(std::vector<int32_t>* tokens) override {
    KitIds ids;
    KitBytes error;
    AX_RETURN_IF_ERROR(Further(textkit_grammar_forced(grammar_, &ids, &error), error));
    tokens->assign(ids.data, ids.data + ids.size);
    return {};
  }

  bool complete() const override { return textkit_grammar_is_complete(grammar_) != 0; }

 private:
  textkit_grammar* grammar_;
};

struct KindName {
  int32_t kit;
  std::string_view name;
};

KindName NameOf(GrammarKind kind) {
  switch (kind) {
    case GrammarKind::kLark:
      return {TEXTKIT_GRAMMAR_LARK, "grammar"};
    case GrammarKind::kGbnf:
      return {TEXTKIT_GRAMMAR_GBNF, "grammar"};
    case GrammarKind::kJsonSchema:
      return {TEXTKIT_GRAMMAR_JSON_SCHEMA, "JSON schema"};
    case GrammarKind::kRegex:
      break;
  }
  return {TEXTKIT_GRAMMAR_REGEX, "regular expression"};
}

class KitGrammars final : public Grammars {
 public:
  explicit KitGrammars(textkit_grammars* grammars) : grammars_(grammars) {}
  ~KitGrammars() override { textkit_grammars_free(grammars_); }

  Result<std::unique_ptr<Grammar>> Compile(GrammarKind kind, std::string_view text) const override {
    const KindName name = NameOf(kind);
    textkit_grammar* compiled = nullptr;
    KitBytes error;
    Status status = KitStatus(
        textkit_grammar_compile(grammars_, name.kit, KitData(text), text.size(), &compiled, &error),
        error);
    if (!status) {
      return Fail(status.error().kind, "the " + std::string(name.name) +
                                           " cannot be followed: " + status.error().message);
    }
    return std::make_unique<KitGrammar>(compiled);
  }

 private:
  textkit_grammars* grammars_;
};

}  // namespace

Result<std::unique_ptr<Grammars>> MakeKitGrammars(const textkit_tokenizer* tokenizer,
                                                  uint32_t vocab, std::span<const int32_t> eos) {
  std::vector<uint32_t> ends;
  for (const int32_t id : eos) {
    if (id >= 0) ends.push_back(static_cast<uint32_t>(id));
  }
  textkit_grammars* made = nullptr;
  KitBytes error;
  AX_RETURN_IF_ERROR(KitStatus(
      textkit_grammars_new(tokenizer, vocab, ends.data(), ends.size(), &made, &error), error));
  return std::make_unique<KitGrammars>(made);
}

}  // namespace axollama::text
