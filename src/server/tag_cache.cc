#include "server/tag_cache.h"

#include "bundle/bundle.h"

namespace axollama::server {
namespace {

// Of models that were removed, too.
constexpr size_t kMaxEntries = 1024;

}  // namespace

Result<TagFacts> TagCache::Get(const store::Model& model,
                               const std::function<Result<TagFacts>()>& look) {
  const std::string key = model.name.Key() + '\n' + model.folder.string();
  // Before the look: a change meanwhile is seen the next time.
  const std::string seen = model.digest + bundle::LookAtFolder(model.folder).digest;
  {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.seen == seen) return found->second.facts;
  }
  AX_ASSIGN_OR_RETURN(TagFacts facts, look());
  std::lock_guard lock(mutex_);
  if (entries_.size() >= kMaxEntries) entries_.clear();
  entries_[key] = {seen, facts};
  return facts;
}

}  // namespace axollama::server
