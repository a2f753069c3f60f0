#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <protozero/pbf_writer.hpp>
#include <set>
#include <string_view>

#include "sim/container/axmodel.h"
#include "sim/container/onnx.h"
#include "sim/container/shapes.h"

namespace axsim::container {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
using protozero::pbf_writer;

constexpr uint64_t kMaxLength = (uint64_t{1} << 35) - 1;  // what five bytes of varint hold
constexpr size_t kAlignment = 64;
// The page cache keeps what is written at once in pages as large as it can, and the weights are
// executed from there: from 2 MiB pages memory is read up to twice as fast as from 4 KiB ones.
constexpr size_t kWriteBytes = size_t{4} << 20;

// A varint of always five bytes, so that a length can be filled in later without moving data.
std::string FixedVarint(uint64_t value) {
  std::string out;
  for (int i = 0; i < 4; ++i) {
    out += static_cast<char>(0x80 | (value & 0x7f));
    value >>= 7;
  }
  return out += static_cast<char>(value);
}

std::string BytesKey(uint32_t number) {
  return std::string(1, static_cast<char>(number << 3 | 2));  // all of ours are below 16
}

std::string ValueInfo(const Tensor& tensor, const std::string& name) {
  std::string shape;
  for (const int32_t dim : tensor.dims) {
    std::string value;
    pbf_writer(value).add_int64(onnx::type::kDimValue, dim);
    pbf_writer(shape).add_message(onnx::type::kDim, value);
  }
  std::string tensor_type;
  pbf_writer tensor_writer(tensor_type);
  tensor_writer.add_int32(onnx::type::kElemType,
                          static_cast<int32_t>(onnx::FromDataType(tensor.type)));
  tensor_writer.add_message(onnx::type::kShape, shape);
  std::string type;
  pbf_writer(type).add_message(onnx::type::kTensorType, tensor_type);
  std::string info;
  pbf_writer writer(info);
  writer.add_string(onnx::value_info::kName, name);
  writer.add_message(onnx::value_info::kType, type);
  return info;
}

void AddAttribute(pbf_writer* node, std::string_view name, std::string_view value) {
  std::string attribute;
  pbf_writer writer(attribute);
  writer.add_string(onnx::attribute::kName, name.data(), name.size());
  writer.add_bytes(onnx::attribute::kString, value.data(), value.size());
  writer.add_enum(onnx::attribute::kType, onnx::attribute::kTypeString);
  node->add_message(onnx::node::kAttribute, attribute);
}

// The graph's fields before its weights. Tensors of group g > 0 are called NAME_g in the shell, as
// the vendor does, since names must be unique in an ONNX graph.
std::string GraphHead(const spec::Program& program, const std::vector<Group>& groups) {
  const std::string program_json = spec::WriteProgram(program);
  std::string head;
  pbf_writer graph(head);
  graph.add_string(onnx::graph::kName, "axollama-sim");
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto shell_name = [g](const Tensor& tensor) {
      return g == 0 ? tensor.name : fmt::format("{}_{}", tensor.name, g);
    };
    std::string node;
    pbf_writer writer(node);
    for (const Tensor& tensor : groups[g].inputs) {
      writer.add_string(onnx::node::kInput, shell_name(tensor));
      graph.add_message(onnx::graph::kInput, ValueInfo(tensor, shell_name(tensor)));
    }
    for (const Tensor& tensor : groups[g].outputs) {
      writer.add_string(onnx::node::kOutput, shell_name(tensor));
      graph.add_message(onnx::graph::kOutput, ValueInfo(tensor, shell_name(tensor)));
    }
    writer.add_string(onnx::node::kName, fmt::format("group_{}", g));
    writer.add_string(onnx::node::kOpType, std::string(spec::kOpType));
    writer.add_string(onnx::node::kDomain, std::string(spec::kOpDomain));
    AddAttribute(&writer, spec::kProgramAttribute, program_json);
    AddAttribute(&writer, spec::kOutputsAttribute, WriteIo(groups[g]));
    graph.add_message(onnx::graph::kNode, node);
  }
  return head;
}

std::string ModelHead() {
  std::string head;
  pbf_writer model(head);
  model.add_int64(onnx::model::kIrVersion, onnx::kIrVersionValue);
  model.add_string(onnx::model::kProducerName, std::string(spec::kProducerName));
  model.add_string(onnx::model::kProducerVersion, AXOLLAMA_VERSION);
  model.add_string(onnx::model::kDocString, "axollama-sim Version:  " AXOLLAMA_VERSION);
  for (const std::string_view domain : {std::string_view(), spec::kOpDomain}) {
    std::string opset;
    pbf_writer writer(opset);
    writer.add_string(onnx::opset::kDomain, domain.data(), domain.size());
    writer.add_int64(onnx::opset::kVersion, domain.empty() ? onnx::kOpsetVersion : 1);
    model.add_message(onnx::model::kOpsetImport, opset);
  }
  return head;
}

}  // namespace

struct Writer::State {
  int fd = -1;
  std::filesystem::path path;
  std::string pending;     // not yet in the file
  uint64_t offset = 0;     // bytes written, pending ones included
  uint64_t length_at = 0;  // where the graph's length stands
  std::vector<ExpectedWeight> expected;
  std::set<std::string, std::less<>> added;

  ~State() {
    if (fd >= 0) close(fd);
  }

  axollama::Error WriteError() const {
    return {ErrorKind::kIo, fmt::format("cannot write {}: {}", path.string(), strerror(errno))};
  }

  Status Write(const void* data, size_t size) {
    const char* at = static_cast<const char*>(data);
    offset += size;
    while (size > 0) {
      const size_t taken = std::min(size, kWriteBytes - pending.size());
      pending.append(at, taken);
      at += taken;
      size -= taken;
      if (pending.size() == kWriteBytes) AX_RETURN_IF_ERROR(Flush());
    }
    return {};
  }
  Status Flush() {
    std::string_view rest = pending;
    while (!rest.empty()) {
      const ssize_t n = write(fd, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Fail(WriteError());
      rest.remove_prefix(static_cast<size_t>(n));
    }
    pending.clear();
    return {};
  }
  Status Write(const std::string& text) { return Write(text.data(), text.size()); }
};

Writer::Writer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer::~Writer() = default;

Result<Writer> Writer::Create(const std::filesystem::path& path, const spec::Program& program,
                              const std::vector<Group>& groups) {
  AX_RETURN_IF_ERROR(spec::ParseProgram(spec::WriteProgram(program)));
  AX_RETURN_IF_ERROR(CheckGroups(program, groups));
  auto state = std::make_unique<State>();
  state->path = path;
  state->pending.reserve(kWriteBytes);
  state->expected = ExpectedWeights(program);
  state->fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (state->fd < 0) return Fail(state->WriteError());
  // Until Finish the graph claims the greatest length, so that a part of a file reads as cut.
  std::string head = ModelHead() + BytesKey(onnx::model::kGraph);
  state->length_at = head.size();
  head += FixedVarint(kMaxLength);
  head += GraphHead(program, groups);
  AX_RETURN_IF_ERROR(state->Write(head));
  return Writer(std::move(state));
}

Status Writer::AddHead(std::string_view name, DataType type, const std::vector<int64_t>& dims,
                       uint64_t size_bytes) {
  AX_RETURN_IF_ERROR(CheckWeight(state_->expected, name, type, dims, size_bytes));
  if (!state_->added.emplace(name).second) {
    return Fail(ErrorKind::kInternal, fmt::format("weight \"{}\" was added twice", name));
  }
  std::string tensor;
  pbf_writer writer(tensor);
  writer.add_packed_int64(onnx::tensor::kDims, dims.begin(), dims.end());
  writer.add_int32(onnx::tensor::kDataType, static_cast<int32_t>(onnx::FromDataType(type)));
  writer.add_string(onnx::tensor::kName, name.data(), name.size());
  // A doc string of spaces moves the data to the next multiple of 64; it takes two bytes itself.
  const size_t fixed = 1 + 5;  // key and length, of the initialiser and of its data alike
  const uint64_t unpadded = state_->offset + fixed + tensor.size() + fixed;
  uint64_t pad = (kAlignment - unpadded % kAlignment) % kAlignment;
  if (pad == 1) pad += kAlignment;
  if (pad >= 2) writer.add_string(onnx::tensor::kDocString, std::string(pad - 2, ' '));
  std::string head = BytesKey(onnx::graph::kInitializer) +
                     FixedVarint(tensor.size() + fixed + size_bytes) + tensor +
                     BytesKey(onnx::tensor::kRawData) + FixedVarint(size_bytes);
  if (state_->offset + head.size() + size_bytes > kMaxLength) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} would be larger than 32 GiB", state_->path.string()));
  }
  return state_->Write(head);
}

Status Writer::Add(std::string_view name, DataType type, const std::vector<int64_t>& dims,
                   std::span<const std::byte> data) {
  AX_RETURN_IF_ERROR(AddHead(name, type, dims, data.size()));
  return state_->Write(data.data(), data.size());
}

Status Writer::AddHoles() {
  for (const ExpectedWeight& weight : state_->expected) {
    if (weight.optional) continue;
    uint64_t size_bytes = ElementBytes(weight.type);
    for (const int64_t dim : weight.dims) size_bytes *= static_cast<uint64_t>(dim);
    AX_RETURN_IF_ERROR(AddHead(weight.name, weight.type, weight.dims, size_bytes));
    AX_RETURN_IF_ERROR(state_->Flush());
    state_->offset += size_bytes;
    const auto end = static_cast<off_t>(state_->offset);
    if (ftruncate(state_->fd, end) != 0 || lseek(state_->fd, end, SEEK_SET) != end) {
      return Fail(state_->WriteError());
    }
  }
  return {};
}

Status Writer::Finish() {
  for (const ExpectedWeight& want : state_->expected) {
    if (!want.optional && state_->added.find(want.name) == state_->added.end()) {
      return Fail(ErrorKind::kInternal, fmt::format("weight \"{}\" was not added", want.name));
    }
  }
  AX_RETURN_IF_ERROR(state_->Flush());
  const std::string length = FixedVarint(state_->offset - state_->length_at - 5);
  const ssize_t n =
      pwrite(state_->fd, length.data(), length.size(), static_cast<off_t>(state_->length_at));
  if (n != static_cast<ssize_t>(length.size()) || fdatasync(state_->fd) != 0) {
    return Fail(state_->WriteError());
  }
  const int fd = state_->fd;
  state_->fd = -1;
  if (close(fd) != 0) return Fail(state_->WriteError());
  return {};
}

}  // namespace axsim::container
