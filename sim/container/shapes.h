// What a program's file must hold: its weights and the tensors of its groups.
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/container/axmodel.h"

namespace axsim::container {

struct ExpectedWeight {
  std::string name;
  DataType type = DataType::kNone;
  std::vector<int64_t> dims;
  bool optional = false;
};

// In the order in which the builder writes them.
std::vector<ExpectedWeight> ExpectedWeights(const spec::Program& program);

// "int8 [576, 1536]", for errors.
std::string Describe(DataType type, const std::vector<int64_t>& dims);

// A single weight against its expectation, and a whole set for completeness.
axollama::Status CheckWeight(const std::vector<ExpectedWeight>& expected, std::string_view name,
                             DataType type, const std::vector<int64_t>& dims, uint64_t size_bytes);

// Group 0 of a layer decodes one row; every group has the vendor's tensors in the sizes of the
// program.
axollama::Status CheckGroups(const spec::Program& program, const std::vector<Group>& groups);

// The attribute `axsim_io`: {"inputs":[{"name","type","dims"}],"outputs":[...]}.
std::string WriteIo(const Group& group);
axollama::Result<Group> ParseIo(std::string_view json);

}  // namespace axsim::container
