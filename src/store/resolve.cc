#include "store/resolve.h"

#include "store/store.h"

namespace axollama::store {

Result<bundle::ModelRef> ResolveModel(const std::vector<std::filesystem::path>& roots,
                                      std::string_view argument) {
  if (argument.find('/') != std::string_view::npos) return bundle::ModelOfFolder(roots, argument);
  AX_ASSIGN_OR_RETURN(const Model model, Store(OptionsFor(roots)).Find(argument));
  return bundle::ModelRef{model.name.Short(), model.folder};
}

}  // namespace axollama::store
