// The .axmodel container: ONNX's ModelProto, as the vendor uses it, read by walking offsets.
//
// One NodeProto per shape group; graph initialisers hold the weights, raw and 64-byte aligned in
// the file, shared by all groups. Tensor descriptions of each group stand in the node attribute
// `axsim_io` (JSON, see Io). Sources: onnx.proto3 (field numbers), facts on the vendor's files.
// Nothing is copied by Read: views point into the caller's bytes, which must outlive the result.
// Threads: plain values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/spec/program.h"

namespace axsim::container {

// Numbers of axclrtEngineDataType.
enum class DataType : int32_t {
  kNone = 0,
  kInt8 = 3,
  kUint8 = 4,
  kUint32 = 8,
  kBf16 = 14,
  kFp32 = 15
};
uint64_t ElementBytes(DataType type);

// One input or output tensor of a shape group.
struct Tensor {
  std::string name;
  DataType type = DataType::kNone;
  std::vector<int32_t> dims;
  uint64_t size_bytes() const;  // product of dims times the element's size
};

struct Group {
  std::vector<Tensor>
      inputs;  // a layer's in the vendor's order: K_cache V_cache indices input mask
  std::vector<Tensor> outputs;  // K_cache_out V_cache_out output
};

struct Weight {
  DataType type = DataType::kNone;
  std::vector<int64_t> dims;
  std::span<const std::byte> data;  // 64-byte aligned within the file
};

struct Model {
  std::string producer_name;
  std::string compiler_version;  // of the doc string; what GetModelCompilerVersion reports
  spec::Program program;
  std::vector<Group> groups;
  std::map<std::string, Weight, std::less<>> weights;
};

// Checks every length and offset; a file that is cut, is no ONNX, was made by another producer
// (the error names it, and says that an NPU file needs a card), or whose weights do not have the
// shapes of its program is refused with one line. Arbitrary bytes are safe.
axollama::Result<Model> Read(std::span<const std::byte> file);

// Streams a model to a file, so that memory holds one matrix at a time.
class Writer {
 public:
  static axollama::Result<Writer> Create(const std::filesystem::path& path,
                                         const spec::Program& program,
                                         const std::vector<Group>& groups);
  Writer(Writer&&) noexcept;
  ~Writer();
  axollama::Status Add(std::string_view name, DataType type, const std::vector<int64_t>& dims,
                       std::span<const std::byte> data);
  // Every weight that the program needs, each as a hole of its size: of a geometry program.
  axollama::Status AddHoles();
  axollama::Status Finish();  // completes and closes; without it the file is not a model

 private:
  struct State;
  // What stands before a weight's data; counts the weight as added.
  axollama::Status AddHead(std::string_view name, DataType type, const std::vector<int64_t>& dims,
                           uint64_t size_bytes);
  explicit Writer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The groups of `pulsar2 llm_build` for a layer: group 0 decodes over `kv_rows` = S rows; group
// 1 + i prefills `chunk` rows after a history of ladder[i] rows (0 is shown as 1 row).
std::vector<Group> LayerGroups(const spec::Program& program, uint32_t kv_rows, uint32_t chunk,
                               const std::vector<uint32_t>& ladder);
std::vector<Group> PostGroups(const spec::Program& program);

// The groups of a stack file: `rows` tokens after `history` rows each (0 is shown as 1 row).
// Inputs input_embeds [1, rows, hidden], indices [1, rows], mask [1, rows, history + rows], and for
// each layer k_cache_{i} and v_cache_{i} [1, history, kv]; outputs logits [1, rows, vocab] (or
// output [1, rows, hidden] of a model that makes embeddings), k_cache_out_{i} and v_cache_out_{i}
// [1, rows, kv].
struct StackStep {
  uint32_t history = 0;
  uint32_t rows = 1;
};
std::vector<Group> StackGroups(const spec::Program& program, const std::vector<StackStep>& steps);

}  // namespace axsim::container
