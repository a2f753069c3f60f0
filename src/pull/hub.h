// The Hugging Face hub, or a mirror of it: where it is, and what a repository holds.
//
// Listings are untrusted: names that would leave a folder are refused, and counts and sizes have
// limits. Source: the hub's public HTTP API as huggingface_hub uses it (GET
// /api/models/REPO/revision/REV, GET /api/models/REPO/tree/REV?recursive=true with its pages in the
// Link header, files at /REPO/resolve/REV/PATH).
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/fetch.h"

namespace axollama::pull {

struct Hub {
  std::string endpoint;            // "https://huggingface.co"
  std::string token;               // goes to the endpoint alone; "": none
  std::vector<std::string> hosts;  // that may be asked (net::FetchOptions)
  bool own = false;                // the user named it: it may lie in the private network

  // AXOLLAMA_HUB or HF_ENDPOINT names a mirror, HF_TOKEN is the token, AXOLLAMA_PULL_HOSTS (comma
  // list, `.host` for all below one) are hosts beside the hub's own.
  static Result<Hub> FromEnvironment();
  net::FetchOptions FetchOptions(bool insecure) const;
};

struct HubFile {
  std::string path;  // "qwen3-0.6b-ax650/qwen3_post.axmodel"
  uint64_t size_bytes = 0;
  std::string sha256;    // of its content, of files in LFS; else ""
  std::string git_sha1;  // of git's blob, of the others; else ""
};

struct HubRepo {
  std::string repo;    // "AXERA-TECH/Qwen3-0.6B"
  std::string commit;  // 40 hex digits
  std::vector<HubFile> files;
};

// No such repository, or none that the token may see: kNotFound with Ollama's
// `pull model manifest: file does not exist`.
Result<HubRepo> ListRepo(net::Fetcher& fetcher, const Hub& hub, const std::string& repo);

std::string FileUrl(const Hub& hub, const HubRepo& repo, const std::string& path);

// The pieces of ListRepo that read what the hub sends.
Result<std::string> ParseRevision(std::string_view text);
Status ParseTree(std::string_view text, std::vector<HubFile>* files);
// The cursor of the next page, from a Link header; "" when there is none.
std::string NextCursor(std::string_view link);
// A relative path of plain names: none of them empty, `.`, `..` or too long, no control character.
bool SafePath(std::string_view path);

}  // namespace axollama::pull
