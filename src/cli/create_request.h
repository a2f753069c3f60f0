// A Modelfile as the body of /api/create. Threads: plain functions and values.
#pragma once

#include <string>
#include <vector>

#include "api/modelfile.h"
#include "base/json.h"
#include "base/result.h"

namespace axollama::cli {

struct CreatePlan {
  json::Object body;  // without `files`
  std::string from;   // the value of FROM: a model's name, or a path
};

// `quantize` may be "". kInvalid: more than one FROM, or a parameter that is none.
Result<CreatePlan> PlanCreate(const std::string& name,
                              const std::vector<api::ModelfileCommand>& commands,
                              const std::string& quantize);

}  // namespace axollama::cli
