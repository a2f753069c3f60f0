#include "pull/hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/env.h"
#include "base/json.h"
#include "base/one_line.h"

namespace axollama::pull {
namespace {

constexpr std::string_view kDefaultEndpoint = "https://huggingface.co";
constexpr size_t kMaxPages = 100;
constexpr size_t kMaxFiles = 20'000;
constexpr size_t kMaxPathBytes = 1024;
constexpr size_t kMaxNameBytes = 255;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 40;
constexpr uint64_t kMaxAnswerBytes = 32u << 20;

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// RFC 3986 of everything but unreserved characters and, where `slash`, '/'.
std::string Escape(std::string_view text, bool slash) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte)) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (slash && c == '/')) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

// "https://host:port/path" to "host".
std::string HostOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (!url.empty() && url.front() == '[') return Lower(url.substr(0, url.find(']') + 1));
  return Lower(url.substr(0, url.find(':')));
}

Result<std::string> Ask(net::Fetcher& fetcher, const Hub& hub, const std::string& path,
                        std::string* link) {
  net::FetchRequest request;
  request.url = hub.endpoint + path;
  request.bearer = hub.token;
  request.max_body_bytes = kMaxAnswerBytes;
  request.headers.Set("Accept", "application/json");
  AX_ASSIGN_OR_RETURN(net::FetchResponse answer, net::FetchAll(fetcher, request));
  const net::FetchHead& head = answer.head;
  if (head.status == 200) {
    if (link != nullptr) *link = head.headers.Get("Link");
    return std::move(answer.body);
  }
  if (head.headers.Get("X-Error-Code") == "GatedRepo") {
    return Fail(ErrorKind::kConflict,
                "pull model manifest: the repository asks for its terms to be accepted: accept "
                "them on its page, and give the server an access token in HF_TOKEN");
  }
  if (head.status == 401 || head.status == 403 || head.status == 404) {
    return Fail(ErrorKind::kNotFound, "pull model manifest: file does not exist");
  }
  return Fail(ErrorKind::kUnavailable, fmt::format("pull model manifest: {} answers with status {}",
                                                   head.host, head.status));
}

Status Within(std::string_view what, Error error) {
  error.message = fmt::format("pull model manifest: {}: {}", what, error.message);
  return Fail(std::move(error));
}

}  // namespace

Result<Hub> Hub::FromEnvironment() {
  Hub hub;
  hub.hosts = {"huggingface.co", ".huggingface.co", "hf.co", ".hf.co"};
  std::string variable = "AXOLLAMA_HUB";
  auto endpoint = GetEnv("AXOLLAMA_HUB");
  if (!endpoint) endpoint = GetEnv((variable = "HF_ENDPOINT").c_str());
  hub.endpoint = endpoint.value_or(std::string(kDefaultEndpoint));
  while (hub.endpoint.ends_with('/')) hub.endpoint.pop_back();
  hub.own = hub.endpoint != kDefaultEndpoint;
  const std::string host = HostOf(hub.endpoint);
  if (host.empty()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} is \"{}\": it must be a URL such as {}", variable,
                            OneLine(hub.endpoint), kDefaultEndpoint));
  }
  hub.hosts.push_back(host);
  hub.token = GetEnv("HF_TOKEN").value_or("");
  std::string list = GetEnv("AXOLLAMA_PULL_HOSTS").value_or("");
  list += ',';
  for (size_t begin = 0, end; (end = list.find(',', begin)) != std::string::npos; begin = end + 1) {
    std::string entry = Lower(list.substr(begin, end - begin));
    std::erase_if(entry, [](unsigned char c) { return std::isspace(c); });
    if (!entry.empty()) hub.hosts.push_back(std::move(entry));
  }
  return hub;
}

net::FetchOptions Hub::FetchOptions(bool insecure) const {
  net::FetchOptions options;
  options.hosts = hosts;
  options.insecure = insecure;
  options.allow_private = own;
  return options;
}

Result<HubRepo> ListRepo(net::Fetcher& fetcher, const Hub& hub, const std::string& repo) {
  HubRepo out;
  out.repo = repo;
  const std::string base = "/api/models/" + Escape(repo, true);
  AX_ASSIGN_OR_RETURN(const std::string revision,
                      Ask(fetcher, hub, base + "/revision/main", nullptr));
  auto commit = ParseRevision(revision);
  if (!commit) return Fail(Within(repo, std::move(commit).error()).error());
  out.commit = std::move(*commit);
  const std::string tree = base + "/tree/" + out.commit + "?recursive=true";
  std::string cursor;
  for (size_t page = 0; page < kMaxPages; ++page) {
    std::string link;
    const std::string more = cursor.empty() ? "" : "&cursor=" + cursor;
    AX_ASSIGN_OR_RETURN(const std::string text, Ask(fetcher, hub, tree + more, &link));
    if (Status status = ParseTree(text, &out.files); !status) {
      return Fail(Within(repo, std::move(status).error()).error());
    }
    cursor = NextCursor(link);
    if (cursor.empty()) return out;
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("pull model manifest: {} lists its files on more than {} pages", repo,
                          kMaxPages));
}

std::string FileUrl(const Hub& hub, const HubRepo& repo, const std::string& path) {
  return fmt::format("{}/{}/resolve/{}/{}", hub.endpoint, Escape(repo.repo, true), repo.commit,
                     Escape(path, true));
}

Result<std::string> ParseRevision(std::string_view text) {
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(text, "the revision"));
  AX_ASSIGN_OR_RETURN(std::string sha, json::GetString(object, "sha", ""));
  if (!IsHex(sha, 40)) return Fail(ErrorKind::kInvalid, "the revision has no commit");
  return sha;
}

Status ParseTree(std::string_view text, std::vector<HubFile>* files) {
  AX_ASSIGN_OR_RETURN(const json::Value tree, json::Parse(text));
  if (!tree.is_array()) return Fail(ErrorKind::kInvalid, "the list of files is none");
  for (const json::Value& item : tree.get_array()) {
    if (!item.is_object()) return Fail(ErrorKind::kInvalid, "the list of files is none");
    const json::Object& entry = item.get_object();
    AX_ASSIGN_OR_RETURN(const std::string type, json::GetString(entry, "type", ""));
    if (type != "file") continue;
    HubFile file;
    AX_ASSIGN_OR_RETURN(file.path, json::GetString(entry, "path", ""));
    if (!SafePath(file.path)) {
      return Fail(ErrorKind::kInvalid, fmt::format("it holds a file \"{}\", a name that is refused",
                                                   OneLine(file.path.substr(0, 100))));
    }
    AX_ASSIGN_OR_RETURN(int64_t size, json::GetInt(entry, "size", -1));
    AX_ASSIGN_OR_RETURN(file.git_sha1, json::GetString(entry, "oid", ""));
    if (const json::Value* lfs = json::Find(entry, "lfs"); lfs != nullptr && lfs->is_object()) {
      AX_ASSIGN_OR_RETURN(file.sha256, json::GetString(lfs->get_object(), "oid", ""));
      AX_ASSIGN_OR_RETURN(size, json::GetInt(lfs->get_object(), "size", -1));
      file.git_sha1.clear();  // of the pointer
      if (!IsHex(file.sha256, 64)) {
        return Fail(ErrorKind::kInvalid, fmt::format("{} has no SHA-256", OneLine(file.path)));
      }
    } else if (!IsHex(file.git_sha1, 40)) {
      file.git_sha1.clear();
    }
    if (size < 0 || static_cast<uint64_t>(size) > kMaxFileBytes) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} has a size of {}", OneLine(file.path), size));
    }
    file.size_bytes = static_cast<uint64_t>(size);
    if (files->size() >= kMaxFiles) {
      return Fail(ErrorKind::kInvalid, fmt::format("it holds more than {} files", kMaxFiles));
    }
    files->push_back(std::move(file));
  }
  return {};
}

std::string NextCursor(std::string_view link) {
  if (link.find("rel=\"next\"") == std::string_view::npos) return "";
  // A mirror's link may name the hub itself: of it only the cursor counts.
  const size_t url = link.find('<');
  const size_t end = link.find('>', url == std::string_view::npos ? 0 : url);
  if (url == std::string_view::npos || end == std::string_view::npos) return "";
  link = link.substr(url, end - url);
  for (const std::string_view key : {"?cursor=", "&cursor="}) {
    const size_t at = link.find(key);
    if (at == std::string_view::npos) continue;
    std::string_view cursor = link.substr(at + key.size());
    cursor = cursor.substr(0, cursor.find('&'));
    const bool plain = std::all_of(cursor.begin(), cursor.end(), [](unsigned char c) {
      return c < 0x80 &&
             (std::isalnum(c) ||
              std::string_view("-._~%=+/").find(static_cast<char>(c)) != std::string_view::npos);
    });
    return plain ? std::string(cursor) : "";
  }
  return "";
}

bool SafePath(std::string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes) return false;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  }
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, end - begin);
    if (name.empty() || name == "." || name == ".." || name.size() > kMaxNameBytes) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace axollama::pull
