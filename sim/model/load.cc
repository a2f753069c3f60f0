#include "sim/model/assemble.h"

namespace axsim::model {

axollama::Result<std::unique_ptr<Model>> Model::Load(std::span<const std::byte> file) {
  AX_ASSIGN_OR_RETURN(container::Model description, container::Read(file));
  return Assemble(std::move(description));
}

}  // namespace axsim::model
