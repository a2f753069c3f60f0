// From a description to a model that runs: Model::Load after container::Read. Threads: any.
#pragma once

#include <memory>

#include "base/result.h"
#include "sim/container/axmodel.h"
#include "sim/model/model.h"

namespace axsim::model {

// Checks that every weight and tensor is there with the size that the program implies, in a form
// that can be run. The weights' bytes must outlive the model.
axollama::Result<std::unique_ptr<Model>> Assemble(container::Model description);

}  // namespace axsim::model
