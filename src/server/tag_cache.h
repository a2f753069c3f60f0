// What /api/tags says of a model's files, kept as long as they are as they were: clients ask every
// few seconds, and finding it out opens each file of each model.
//
// Owner: Routes. Threads: any.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/models.h"
#include "base/result.h"
#include "store/store.h"

namespace axollama::server {

struct TagFacts {
  api::ModelDetails details;
  std::vector<std::string> capabilities;
};

class TagCache {
 public:
  // What `look` finds, or found when neither the manifest nor names, sizes and times of the files
  // were others than now. Errors are not kept.
  Result<TagFacts> Get(const store::Model& model, const std::function<Result<TagFacts>()>& look);

 private:
  struct Entry {
    std::string seen;  // digests of manifest and files
    TagFacts facts;
  };
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // by name and folder
};

}  // namespace axollama::server
