#include "text/tokenizer.h"

#include <fmt/format.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <utility>

#include "base/file.h"
#include "text/textkit_call.h"
#include "text/utf8_stream.h"

namespace axollama::text {
namespace {

// Published files are at most some 35 MB; one far above is no tokenizer.
constexpr size_t kMaxFileBytes = 256u << 20;

class KitTokenizer final : public Tokenizer {
 public:
  explicit KitTokenizer(textkit_tokenizer* tokenizer) : tokenizer_(tokenizer) {
    textkit_tokenizer_vocab(tokenizer_, &vocab_);
  }
  ~KitTokenizer() override { textkit_tokenizer_free(tokenizer_); }

  Result<std::vector<int32_t>> Encode(std::string_view text,
                                      const EncodeOptions& options) const override {
    KitIds ids;
    KitBytes error;
    AX_RETURN_IF_ERROR(KitStatus(
        textkit_tokenizer_encode(tokenizer_, KitData(text), text.size(), options.add_special,
                                 options.parse_special, &ids, &error),
        error));
    return std::vector<int32_t>(ids.data, ids.data + ids.size);
  }

  Result<std::string_view> TokenBytes(int32_t id, bool special) const override {
    if (!Exists(id)) {
      return Fail(ErrorKind::kInvalid, fmt::format("the vocabulary has no token {}", id));
    }
    if (!special && IsSpecial(id)) return std::string_view{};
    const uint32_t begin = vocab_.offsets[id];
    return std::string_view(reinterpret_cast<const char*>(vocab_.bytes) + begin,
                            vocab_.offsets[id + 1] - begin);
  }

  Result<std::string> Decode(std::span<const int32_t> ids, bool special) const override {
    std::string text;
    Utf8Stream stream;
    for (const int32_t id : ids) {
      AX_ASSIGN_OR_RETURN(const std::string_view bytes, TokenBytes(id, special));
      stream.Push(bytes, &text);
    }
    stream.Flush(&text);
    // Only a token of the model begins with the decoder's own space: `<s>▁Hello` is `<s> Hello`.
    if (vocab_.strip_leading_space && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

  std::optional<int32_t> TokenToId(std::string_view token) const override {
    const int64_t id = textkit_tokenizer_id(tokenizer_, KitData(token), token.size());
    if (id < 0) return std::nullopt;
    return static_cast<int32_t>(id);
  }

  bool IsSpecial(int32_t id) const override {
    return Exists(id) && (vocab_.flags[id] & TEXTKIT_TOKEN_SPECIAL);
  }

  Result<std::unique_ptr<Grammars>> MakeGrammars(uint32_t vocab,
                                                 std::span<const int32_t> eos) const override {
    return MakeKitGrammars(tokenizer_, vocab, eos);
  }

  uint32_t vocab_size() const override { return vocab_.size; }

 private:
  bool Exists(int32_t id) const {
    return id >= 0 && static_cast<uint32_t>(id) < vocab_.size &&
           (vocab_.flags[id] & TEXTKIT_TOKEN_EXISTS);
  }

  textkit_tokenizer* tokenizer_;
  textkit_vocab vocab_{};
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::filesystem::path& path) {
  AX_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const std::string_view content(reinterpret_cast<const char*>(file.bytes().data()),
                                 file.bytes().size());
  const auto refuse = [&](std::string_view why) {
    return Fail(ErrorKind::kInvalid, fmt::format("{}: {}", path.string(), why));
  };
  if (content.empty()) return refuse("the file is empty; copy it again from where the model came");
  if (content.size() > kMaxFileBytes) {
    return refuse(fmt::format("{} bytes are too many for a tokenizer", content.size()));
  }
  if (content.starts_with("version https://git-lfs")) {
    return refuse("this is a Git LFS pointer, not the file; fetch it with `git lfs pull`");
  }
  textkit_tokenizer* tokenizer = nullptr;
  KitBytes error;
  if (const Status status = KitStatus(
          textkit_tokenizer_new(KitData(content), content.size(), &tokenizer, &error), error);
      !status) {
    return refuse(status.error().message);
  }
#ifdef __GLIBC__
  // Parsing leaves tens of megabytes free inside the heap, which would count as the process's own
  // for as long as it lives.
  malloc_trim(0);
#endif
  return std::make_unique<KitTokenizer>(tokenizer);
}

}  // namespace axollama::text
