#include "sim/build/settings_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>
#include <system_error>

#include "base/file.h"

namespace axsim::build {
namespace {

namespace json = axollama::json;
using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;

constexpr size_t kMaxBytes = 64u << 20;

std::optional<uint32_t> AsUint(const json::Value& value) {
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  if (value.is_int64() && value.get_int64() >= 0 &&
      static_cast<uint64_t>(value.get_int64()) <= kMost) {
    return static_cast<uint32_t>(value.get_int64());
  }
  return std::nullopt;
}

}  // namespace

Result<SettingsJson> SettingsJson::Read(const std::filesystem::path& path) {
  AX_ASSIGN_OR_RETURN(const std::string text, axollama::ReadFile(path, kMaxBytes));
  if (text.starts_with("version https://git-lfs.github.com/spec/")) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} is a Git LFS pointer, not the file: run `git lfs pull` in its "
                            "folder",
                            path.string()));
  }
  AX_ASSIGN_OR_RETURN(json::Object object, json::ParseObject(text, path.string()));
  return SettingsJson(path.string(), std::move(object));
}

Result<SettingsJson> SettingsJson::ReadIfThere(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return SettingsJson(path.string(), {});
  return Read(path);
}

tl::unexpected<axollama::Error> SettingsJson::Bad(std::string_view what) const {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", name_, what));
}

tl::unexpected<axollama::Error> SettingsJson::Wrong(std::string_view key,
                                                    std::string_view wanted) const {
  return Fail(ErrorKind::kInvalid, Has(key)
                                       ? fmt::format("{}: \"{}\" is not {}", name_, key, wanted)
                                       : fmt::format("{} has no key \"{}\"", name_, key));
}

Result<uint32_t> SettingsJson::Uint(std::string_view key) const {
  const json::Value* found = json::Find(object_, key);
  const auto number = found ? AsUint(*found) : std::nullopt;
  if (!number) return Wrong(key, "a number from 0 to 2^32 - 1");
  return *number;
}

Result<uint32_t> SettingsJson::Uint(std::string_view key, uint32_t otherwise) const {
  return Has(key) ? Uint(key) : Result<uint32_t>(otherwise);
}

Result<double> SettingsJson::Float(std::string_view key) const {
  const json::Value* found = json::Find(object_, key);
  if (!found || !found->is_number()) return Wrong(key, "a number");
  const auto number = found->to_number<double>();
  if (!std::isfinite(number)) return Wrong(key, "a finite number");
  return number;
}

Result<double> SettingsJson::Float(std::string_view key, double otherwise) const {
  return Has(key) ? Float(key) : Result<double>(otherwise);
}

Result<bool> SettingsJson::Bool(std::string_view key, bool otherwise) const {
  const json::Value* found = json::Find(object_, key);
  if (!found) return otherwise;
  if (!found->is_bool()) return Wrong(key, "true or false");
  return found->get_bool();
}

Result<std::string> SettingsJson::Text(std::string_view key, std::string otherwise) const {
  const json::Value* found = json::Find(object_, key);
  if (!found) return otherwise;
  if (!found->is_string()) return Wrong(key, "a text");
  return std::string(json::View(found->get_string()));
}

Result<std::vector<std::string>> SettingsJson::Texts(std::string_view key) const {
  std::vector<std::string> texts;
  const json::Value* found = json::Find(object_, key);
  if (!found) return texts;
  if (!found->is_array()) return Wrong(key, "a list of texts");
  for (const json::Value& one : found->get_array()) {
    if (!one.is_string()) return Wrong(key, "a list of texts");
    texts.emplace_back(json::View(one.get_string()));
  }
  return texts;
}

Result<std::vector<uint32_t>> SettingsJson::Uints(std::string_view key) const {
  std::vector<uint32_t> numbers;
  const json::Value* found = json::Find(object_, key);
  if (!found) return numbers;
  const json::Array one = {*found};
  for (const json::Value& value : found->is_array() ? found->get_array() : one) {
    const auto number = AsUint(value);
    if (!number) return Wrong(key, "a number from 0 to 2^32 - 1, or a list of them");
    numbers.push_back(*number);
  }
  return numbers;
}

Result<SettingsJson> SettingsJson::Inner(std::string_view key) const {
  const json::Value* found = json::Find(object_, key);
  std::string name = fmt::format("{}: \"{}\"", name_, key);
  if (!found) return SettingsJson(std::move(name), {});
  if (!found->is_object()) return Wrong(key, "an object");
  return SettingsJson(std::move(name), found->get_object());
}

}  // namespace axsim::build
