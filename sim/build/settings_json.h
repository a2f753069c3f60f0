// A JSON file of settings, as Hugging Face's folders have them: typed reads whose errors name the
// file and the key. A null counts as absent.
// Owner: the caller. Threads: const use from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace axsim::build {

class SettingsJson {
 public:
  // The file must hold one object.
  static axollama::Result<SettingsJson> Read(const std::filesystem::path& path);
  // An absent file has no keys.
  static axollama::Result<SettingsJson> ReadIfThere(const std::filesystem::path& path);

  const axollama::json::Object& object() const { return object_; }
  bool Has(std::string_view key) const { return axollama::json::Find(object_, key) != nullptr; }

  // The first form needs the key; the second gives `otherwise` where it is absent.
  axollama::Result<uint32_t> Uint(std::string_view key) const;
  axollama::Result<uint32_t> Uint(std::string_view key, uint32_t otherwise) const;
  axollama::Result<double> Float(std::string_view key) const;  // finite
  axollama::Result<double> Float(std::string_view key, double otherwise) const;
  axollama::Result<bool> Bool(std::string_view key, bool otherwise) const;
  axollama::Result<std::string> Text(std::string_view key, std::string otherwise) const;
  // Absent: none.
  axollama::Result<std::vector<std::string>> Texts(std::string_view key) const;
  // A number or a list of them; absent: none.
  axollama::Result<std::vector<uint32_t>> Uints(std::string_view key) const;
  // An object; absent: one without keys.
  axollama::Result<SettingsJson> Inner(std::string_view key) const;

  // kInvalid, with the name of the file before `what`.
  tl::unexpected<axollama::Error> Bad(std::string_view what) const;

 private:
  SettingsJson(std::string name, axollama::json::Object object)
      : name_(std::move(name)), object_(std::move(object)) {}
  tl::unexpected<axollama::Error> Wrong(std::string_view key, std::string_view wanted) const;

  std::string name_;  // of the file, and of the key within it
  axollama::json::Object object_;
};

}  // namespace axsim::build
