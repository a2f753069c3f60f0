// A safetensors file, mapped and checked: a header of JSON, then the tensors' bytes.
//
// After Open every tensor lies inside the file, has the size that its shape and type ask for, and
// shares no byte with another; none of its bytes is left over. F32, F16 and BF16 are read.
// Owner: the caller; all views live as long as the object. Threads: const use from any thread.
// Errors: one line that names the file and what is wrong. Arbitrary bytes are safe.
// Source: the format's description in the safetensors project.
#pragma once

#include <filesystem>
#include <list>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "sim/build/tensor.h"

namespace axsim::build {

class Safetensors {
 public:
  static axollama::Result<Safetensors> Open(const std::filesystem::path& path);

  const std::vector<Tensor>& tensors() const { return tensors_; }  // by their place in the file

 private:
  axollama::MappedFile file_;
  std::list<std::string> names_;
  std::vector<Tensor> tensors_;
};

}  // namespace axsim::build
