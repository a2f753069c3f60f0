#include "upstream/url.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ollama_host.h"
#include "base/one_line.h"

namespace axollama::upstream {

Result<std::string> ParseUrl(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" {}", OneLine(text), why));
  };
  // Not shown: there may be a password in it.
  if (text.find('@') != std::string_view::npos) {
    return Fail(ErrorKind::kInvalid, "the URL holds a user's name or password");
  }
  const bool plain =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!plain || text.find_first_of("?#\\") != std::string_view::npos) {
    return bad("is no URL of a server");
  }
  const OllamaHost host = ParseOllamaHost(text);
  if (!host.warning.empty()) return bad(host.warning);
  if (host.scheme != "http" && host.scheme != "https") return bad("is neither http nor https");
  std::string url = fmt::format("{}://{}", host.scheme, host.DialAddress());
  std::string_view path = host.path;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!path.empty()) url += fmt::format("/{}", path);
  return url;
}

}  // namespace axollama::upstream
