#include "bundle/vendor_tokenizer.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "base/file.h"

namespace axollama::bundle {
namespace {

constexpr int32_t kHuggingFace = 3;
constexpr int32_t kMostIds = 1 << 22;

// Takes a line off the front of `text`; false at its end.
bool TakeLine(std::string_view* text, std::string_view* line) {
  if (text->empty()) return false;
  const size_t end = text->find('\n');
  *line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  if (line->ends_with('\r')) line->remove_suffix(1);
  return true;
}

// The ids of a line, separated by spaces; nullopt if there is anything else.
std::optional<std::vector<int32_t>> Numbers(std::string_view line) {
  std::vector<int32_t> numbers;
  for (size_t at = line.find_first_not_of(' '); at != std::string_view::npos;
       at = line.find_first_not_of(' ', at)) {
    int32_t number = 0;
    const auto [end, error] = std::from_chars(line.data() + at, line.data() + line.size(), number);
    at = static_cast<size_t>(end - line.data());
    if (error != std::errc() || number < 0 || number > kMostIds ||
        (at < line.size() && line[at] != ' ')) {
      return std::nullopt;
    }
    numbers.push_back(number);
  }
  return numbers;
}

// Empty for what is no base64.
std::string FromBase64(std::string_view text) {
  static constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (const char c : text.substr(0, text.find_last_not_of('=') + 1)) {
    const size_t value = kLetters.find(c);
    if (value == std::string_view::npos) return "";
    bits = bits << 6 | static_cast<uint32_t>(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>(bits >> have);
    }
  }
  return out;
}

}  // namespace

bool IsVendorTokenizer(std::string_view content) { return content.starts_with("430 "); }

Result<VendorTokenizer> ReadVendorTokenizer(const std::filesystem::path& path) {
  AX_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::string_view line;
  const auto numbers = [&] { return TakeLine(&text, &line) ? Numbers(line) : std::nullopt; };
  const auto head = numbers(), counts = numbers(), ids = numbers();
  if (!IsVendorTokenizer(
          {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}) ||
      !head || head->size() != 2 || !counts || counts->size() != 3 || !ids ||
      ids->size() != size_t{0} + (*counts)[0] + (*counts)[1] + (*counts)[2] ||
      !TakeLine(&text, &line)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} is no tokenizer in AXERA's text form, or it is cut short: copy it "
                            "again",
                            path.string()));
  }
  VendorTokenizer out;
  const auto stops = ids->begin() + (*counts)[0];
  out.stop_ids.assign(stops, stops + (*counts)[1]);
  const std::set<int32_t> special(ids->begin(), stops);
  const int32_t last = special.empty() ? -1 : *special.rbegin();
  for (int32_t id = 0; id <= last && TakeLine(&text, &line); ++id) {
    if (!special.contains(id)) continue;
    std::string token =
        (*head)[1] == kHuggingFace ? std::string(line) : FromBase64(line.substr(0, line.find(' ')));
    if (!token.empty()) out.special.emplace(std::move(token), id);
  }
  return out;
}

}  // namespace axollama::bundle
