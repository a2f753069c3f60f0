// Which files of a repository make a model folder, and what they are called in it.
//
// AXERA's repositories hold the model's files at the top or in a folder per variant (chip, weights,
// context), the tokenizer in a folder of its own or as a text file, and programs, scripts and
// pictures besides; only the model's files are wanted, and none of other chips.
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pull/hub.h"

namespace axollama::pull {

struct WantedFile {
  HubFile remote;
  std::string local;  // "config.json", "tokenizer/tokenizer.json"
};

struct BundleFiles {
  std::string variant;            // the folder in the repository; "": its top
  std::vector<WantedFile> files;  // by local name
  uint64_t size_bytes = 0;
};

// `tag` chooses between variants: a folder's name, or a part that only one has; "latest" takes the
// only one, or the top's. kInvalid says what is missing, or which variants there are.
Result<BundleFiles> ChooseBundle(const HubRepo& repo, const std::string& tag);

}  // namespace axollama::pull
