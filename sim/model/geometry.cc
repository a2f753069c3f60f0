#include "sim/model/geometry.h"

#include <fmt/format.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "base/bf16.h"
#include "sim/model/shape.h"

namespace axsim::model {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Status;
using container::Tensor;

constexpr uint32_t kPositions = 256;  // bf16 holds each of them exactly
constexpr uint32_t kFirstLetter = 'a';
constexpr uint32_t kLetters = 26;
constexpr float kLogit = 30.0f;  // certain, beside 10^5 zeros

std::vector<size_t> SizesOf(const std::vector<Tensor>& tensors) {
  std::vector<size_t> sizes;
  for (const Tensor& tensor : tensors) sizes.push_back(tensor.size_bytes());
  return sizes;
}

// nullptr: the group has none of that name.
const std::byte* Find(const std::vector<Tensor>& tensors, Spans spans, std::string_view name) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == name) return spans[i].data();
  }
  return nullptr;
}

void Store(std::span<std::byte> row, size_t column, float value) {
  const uint16_t bits = axollama::FloatToBf16(value);
  std::memcpy(row.data() + column * sizeof bits, &bits, sizeof bits);
}

uint32_t Token(uint32_t position, size_t vocab) {
  const uint32_t letter = kFirstLetter + position % kLetters;
  return letter < vocab ? letter : position % static_cast<uint32_t>(vocab);
}

}  // namespace

Status GeometryModel::Run(Executor&, uint32_t group, Spans inputs, Spans outputs) const {
  if (group >= description_.groups.size()) {
    return Fail(ErrorKind::kInvalid, fmt::format("group {} is asked for, the model has {}", group,
                                                 description_.groups.size()));
  }
  const container::Group& tensors = description_.groups[group];
  AX_RETURN_IF_ERROR(CheckBindings("input", inputs, SizesOf(tensors.inputs), tensors.inputs));
  AX_RETURN_IF_ERROR(CheckBindings("output", outputs, SizesOf(tensors.outputs), tensors.outputs));

  const std::byte* const indices = Find(tensors.inputs, inputs, "indices");
  const bool post = description_.program.kind == spec::Kind::kPost;
  const bool stack = description_.program.kind == spec::Kind::kStack;
  const auto position_of = [&](size_t row) {
    if (post) {  // a layer wrote it into the hidden row
      uint16_t bits;
      std::memcpy(&bits, inputs[0].data(), sizeof bits);
      const float value = axollama::Bf16ToFloat(bits);
      return value >= 0 && value < kPositions ? static_cast<uint32_t>(value) : 0;
    }
    uint32_t position;
    std::memcpy(&position, indices + row * sizeof position, sizeof position);
    return position % kPositions;
  };
  const std::string_view last = stack ? spec::OutputName(description_.program) : "";
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& tensor = tensors.outputs[i];
    const std::span<std::byte> bytes = outputs[i].first(tensor.size_bytes());
    std::memset(bytes.data(), 0, bytes.size());
    const bool logits = post || tensor.name == last;
    if (!logits && tensor.name != "output") continue;
    const auto rows = static_cast<size_t>(tensor.dims[1]);  // [1, rows, columns]
    const size_t row_bytes = bytes.size() / rows;
    for (size_t row = 0; row < rows; ++row) {
      const auto at = bytes.subspan(row * row_bytes, row_bytes);
      const uint32_t position = position_of(row);
      if (logits) {
        Store(at, Token(position, static_cast<size_t>(tensor.dims[2])), kLogit);
      } else {
        Store(at, 0, static_cast<float>(position));
      }
    }
  }
  return {};
}

}  // namespace axsim::model
