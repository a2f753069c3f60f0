#include "sim/build/sentencepiece_file.h"

#include <fmt/format.h>

#include <cstring>

#include "sim/container/wire.h"

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
using container::Field;
using container::Walker;
using container::WireType;

// Field numbers of sentencepiece_model.proto.
enum ModelField : uint32_t { kPieces = 1, kTrainer = 2, kNormalizer = 3 };
enum PieceField : uint32_t { kText = 1, kScore = 2, kKind = 3 };
enum TrainerField : uint32_t { kModelType = 3, kSpaceAsSuffix = 24, kBosId = 41, kEosId, kPadId };
enum NormalizerField : uint32_t { kName = 1, kCharsMap, kDummyPrefix, kExtraSpaces, kEscape };

constexpr uint64_t kUnigram = 1, kBpe = 2;  // of kModelType
constexpr int64_t kLastKind = 6;            // BYTE

auto Bad(const std::filesystem::path& path, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", path.string(), what));
}

// An id that is negative says that there is no such token.
void SetId(uint64_t varint, std::optional<uint32_t>* id) {
  const auto number = static_cast<int64_t>(varint);
  *id = number >= 0 && number <= INT32_MAX ? std::optional(static_cast<uint32_t>(number))
                                           : std::nullopt;
}

class Parser {
 public:
  explicit Parser(const std::filesystem::path& path) : path_(path) {}

  Result<TokenizerFacts> Parse(std::string_view bytes) {
    facts_.pieces = true;
    facts_.bos = 1;
    facts_.eos = 2;
    facts_.add_space = true;
    Walker walker(bytes);
    Field field;
    while (walker.Next(&field)) {
      if (field.number > kNormalizer) continue;
      if (field.type != WireType::kBytes) return Damaged();
      AX_RETURN_IF_ERROR(field.number == kPieces    ? Piece(field.bytes)
                         : field.number == kTrainer ? Trainer(field.bytes)
                                                    : Normalizer(field.bytes));
    }
    if (walker.broken() || facts_.tokens.empty()) return Damaged();
    if (type_ != kBpe) {
      return Bad(path_, fmt::format("is a SentencePiece model of type {}, which is not built yet: "
                                    "BPE is",
                                    type_ == kUnigram ? "Unigram" : std::to_string(type_)));
    }
    if (suffix_ || normalises_) {
      return Bad(path_, fmt::format("is a SentencePiece model that {}, which is not built yet",
                                    suffix_ ? "puts spaces behind words"
                                            : fmt::format("normalises text (\"{}\")", name_)));
    }
    return std::move(facts_);
  }

 private:
  tl::unexpected<axollama::Error> Damaged() const {
    return Bad(path_, "is no SentencePiece model, or it is damaged: copy it again");
  }

  Status Piece(std::string_view bytes) {
    std::string_view text;
    float score = 0;
    int64_t kind = kNormal;
    Walker walker(bytes);
    Field field;
    while (walker.Next(&field)) {
      if (field.number == kText && field.type == WireType::kBytes) {
        text = field.bytes;
      } else if (field.number == kScore && field.type == WireType::kFixed32) {
        memcpy(&score, field.bytes.data(), sizeof score);
      } else if (field.number == kKind && field.type == WireType::kVarint) {
        kind = static_cast<int64_t>(field.varint);
      }
    }
    if (walker.broken() || kind < kNormal || kind > kLastKind) return Damaged();
    if (kind == kUnknown) facts_.unknown = static_cast<uint32_t>(facts_.tokens.size());
    facts_.tokens.push_back(text);
    facts_.scores.push_back(score);
    facts_.kinds.push_back(kind);
    return {};
  }

  Status Trainer(std::string_view bytes) {
    Walker walker(bytes);
    Field field;
    while (walker.Next(&field)) {
      if (field.type != WireType::kVarint) continue;
      if (field.number == kModelType) type_ = field.varint;
      if (field.number == kSpaceAsSuffix) suffix_ = field.varint != 0;
      if (field.number == kBosId) SetId(field.varint, &facts_.bos);
      if (field.number == kEosId) SetId(field.varint, &facts_.eos);
      if (field.number == kPadId) SetId(field.varint, &facts_.padding);
    }
    return walker.broken() ? Damaged() : Status();
  }

  Status Normalizer(std::string_view bytes) {
    bool extra_spaces = true, escape = true, map = false;
    Walker walker(bytes);
    Field field;
    while (walker.Next(&field)) {
      if (field.number == kName && field.type == WireType::kBytes) {
        name_.clear();
        for (const char c : field.bytes.substr(0, 40)) name_ += c >= 0x20 && c < 0x7f ? c : '?';
      }
      if (field.number == kCharsMap && field.type == WireType::kBytes) map = !field.bytes.empty();
      if (field.number == kDummyPrefix) facts_.add_space = field.varint != 0;
      if (field.number == kExtraSpaces) extra_spaces = field.varint != 0;
      if (field.number == kEscape) escape = field.varint != 0;
    }
    normalises_ = map || extra_spaces || !escape;
    return walker.broken() ? Damaged() : Status();
  }

  const std::filesystem::path& path_;
  TokenizerFacts facts_;
  uint64_t type_ = kUnigram;
  std::string name_ = "nmt_nfkc";
  bool suffix_ = false;
  bool normalises_ = true;  // what a model without a normalizer_spec says
};

}  // namespace

Result<TokenizerFacts> ParseSentencePiece(const std::filesystem::path& path,
                                          std::string_view bytes) {
  return Parser(path).Parse(bytes);
}

}  // namespace axsim::build
