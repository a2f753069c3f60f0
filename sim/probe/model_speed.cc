#include "sim/probe/model_speed.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <system_error>

namespace axsim::probe {
namespace {

namespace fs = std::filesystem;
using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
using Clock = std::chrono::steady_clock;

constexpr int kDecodes = 40;
constexpr int kChunks = 9;
constexpr uint16_t kMasked = 0xC780;  // -65536 as bf16
constexpr uint16_t kOne = 0x3f80;
constexpr std::string_view kPostEnd = "_post.axmodel", kLayerEnd = "_together.axmodel";

// The memory of one group's tensors: a chunk at the start of an empty cache.
class Bindings {
 public:
  explicit Bindings(const container::Group& group) {
    for (const auto* tensors : {&group.inputs, &group.outputs}) {
      for (const container::Tensor& tensor : *tensors) memory_.emplace_back(tensor.size_bytes());
    }
    for (size_t i = 0; i < memory_.size(); ++i) {
      (i < group.inputs.size() ? inputs_ : outputs_).emplace_back(memory_[i]);
    }
    for (size_t i = 0; i < group.inputs.size(); ++i) {
      if (group.inputs[i].name == "mask") FillMask(group.inputs[i], memory_[i].data());
      if (group.inputs[i].name == "input") Fill(memory_[i], kOne);
      if (group.inputs[i].name == "indices") FillIndices(memory_[i]);
    }
  }

  Status Run(const model::Model& model, model::Executor& executor, uint32_t group) const {
    return model.Run(executor, group, inputs_, outputs_);
  }

 private:
  static void Fill(std::vector<std::byte>& memory, uint16_t value) {
    for (size_t i = 0; i + 2 <= memory.size(); i += 2) memcpy(&memory[i], &value, 2);
  }
  static void FillIndices(std::vector<std::byte>& memory) {
    for (uint32_t i = 0; i < memory.size() / 4; ++i) memcpy(&memory[i * 4], &i, 4);
  }
  static void FillMask(const container::Tensor& tensor, std::byte* to) {
    const auto rows = static_cast<size_t>(tensor.dims[1]);
    const auto total = static_cast<size_t>(tensor.dims[2]);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < total; ++c, to += 2) {
        const bool own = c + rows >= total && c + rows - total <= r;
        const uint16_t value = own ? 0 : kMasked;
        memcpy(to, &value, 2);
      }
    }
  }

  std::vector<std::vector<std::byte>> memory_;
  std::vector<std::span<std::byte>> inputs_, outputs_;
};

// `kind` is what the file's name says.
Status Add(const fs::path& path, spec::Kind kind, LoadedModel* out) {
  auto file = axollama::MappedFile::Open(path);
  if (!file) return Fail(file.error());
  auto model = model::Model::Load(file->bytes());
  if (!model) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} {}", path.string(), model.error().message));
  }
  const container::Model& description = (*model)->description();
  if (description.program.geometry) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} has no weights: a bundle of --geometry computes nothing to measure",
                            path.string()));
  }
  if (description.program.kind != kind) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} does not hold what its name says: build the "
                                                 "bundle again",
                                                 path.string()));
  }
  const bool layer = kind == spec::Kind::kLayer;
  for (const auto& [name, weight] : description.weights) {
    out->weight_bytes += weight.data.size();
    if (!layer || weight.dims.size() != 2 || name.ends_with(".factor")) continue;
    const bool s4 = description.program.weights == spec::WeightType::kS4;
    out->layer_multiply_adds += static_cast<uint64_t>(weight.dims[0]) *
                                static_cast<uint64_t>(weight.dims[1]) * (s4 ? 2 : 1);
  }
  if (layer) {
    if (description.groups.size() < 2) {
      return Fail(ErrorKind::kInvalid, fmt::format("{} has no prefill group", path.string()));
    }
    out->chunk_tokens = static_cast<uint32_t>(description.groups[1].inputs[2].dims[1]);
  }
  out->files.push_back(std::move(*file));
  out->models.push_back(std::move(*model));
  return {};
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

Result<LoadedModel> LoadFolder(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> layers, posts;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(kLayerEnd)) layers.push_back(entry.path());
    if (name.ends_with(kPostEnd)) posts.push_back(entry.path());
  }
  if (error) {
    return Fail(ErrorKind::kIo,
                fmt::format("cannot read {}: {}", folder.string(), error.message()));
  }
  if (layers.empty() || posts.size() != 1) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} is no bundle with a file per layer, as `axollama sim build` makes",
                            folder.string()));
  }
  LoadedModel out;
  for (const fs::path& path : layers) AX_RETURN_IF_ERROR(Add(path, spec::Kind::kLayer, &out));
  AX_RETURN_IF_ERROR(Add(posts[0], spec::Kind::kPost, &out));
  return out;
}

Result<Speeds> Measure(const LoadedModel& loaded, model::Executor& executor) {
  const Bindings decode(loaded.models[0]->description().groups[0]);
  const Bindings chunk(loaded.models[0]->description().groups[1]);
  const Bindings post(loaded.models.back()->description().groups[0]);
  const size_t layers = loaded.models.size() - 1;
  const auto token = [&]() -> Status {
    for (size_t i = 0; i < layers; ++i) {
      AX_RETURN_IF_ERROR(decode.Run(*loaded.models[i], executor, 0));
    }
    return post.Run(*loaded.models.back(), executor, 0);
  };
  const auto prefill = [&]() -> Status {
    for (size_t i = 0; i < layers; ++i) {
      AX_RETURN_IF_ERROR(chunk.Run(*loaded.models[i], executor, 1));
    }
    return {};
  };
  const auto measure = [](int times, const auto& work) -> Result<double> {
    std::vector<double> seconds;
    for (int i = 0; i <= times; ++i) {  // the first brings pages in, and is left out
      const Clock::time_point begin = Clock::now();
      AX_RETURN_IF_ERROR(work());
      if (i > 0) seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    return Median(std::move(seconds));
  };
  AX_ASSIGN_OR_RETURN(const double token_s, measure(kDecodes, token));
  AX_ASSIGN_OR_RETURN(const double chunk_s, measure(kChunks, prefill));
  return Speeds{1 / token_s, loaded.chunk_tokens / chunk_s};
}

}  // namespace axsim::probe
