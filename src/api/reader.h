// An object of a request that is being read, and where it stands in it, so that an error can name
// the field: `"messages[2].role" must be a string`. Private to the room.
//
// Owner: a view of JSON that the caller keeps. Threads: plain values. Errors: kInvalid. A field
// that is null counts as absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

class Reader {
 public:
  explicit Reader(const json::Object& object, std::string path = {})
      : object_(&object), path_(std::move(path)) {}

  const json::Object& object() const { return *object_; }
  // "messages[2].role"
  std::string Name(std::string_view key) const;
  // `"messages[2].role" what`
  Error Bad(std::string_view key, std::string_view what) const;
  const json::Value* Find(std::string_view key) const { return json::Find(*object_, key); }

  Result<std::string> Text(std::string_view key, std::string_view otherwise = "") const;
  Result<bool> Flag(std::string_view key, bool otherwise) const;
  // A number with a fraction of zero is an integer.
  Result<std::optional<int64_t>> Integer(std::string_view key) const;
  // One that a float32 can hold.
  Result<std::optional<double>> Number(std::string_view key) const;
  // Absent: nullptr.
  Result<const json::Array*> List(std::string_view key) const;
  Result<std::vector<std::string>> Texts(std::string_view key) const;
  Result<std::optional<Reader>> Inner(std::string_view key) const;
  // Each item of a list must be an object.
  Result<std::vector<Reader>> Items(std::string_view key) const;

 private:
  const json::Object* object_;
  std::string path_;
};

}  // namespace axollama::api
