#include "sim/build/builder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/bf16.h"
#include "base/disk_room.h"
#include "base/file.h"
#include "base/json.h"
#include "sim/build/dequantise.h"
#include "sim/build/description.h"
#include "sim/build/geometry.h"
#include "sim/build/layout.h"
#include "sim/build/output_folder.h"
#include "sim/build/source.h"
#include "sim/build/weights.h"
#include "sim/container/axmodel.h"

namespace axsim::build {
namespace {

namespace fs = std::filesystem;
namespace json = axollama::json;
using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
using container::DataType;

constexpr uint32_t kMaxContext = 1u << 20;
constexpr size_t kMaxLadder = 1024;
constexpr size_t kThreads = 2;
constexpr std::string_view kEmbeddingName = "model.embed_tokens.weight.bfloat16.bin";

std::vector<uint32_t> Ladder(const BuildOptions& options) {
  if (options.ladder) return *options.ladder;
  std::vector<uint32_t> ladder;
  for (uint64_t history = 0; history < options.context_tokens; history += options.chunk_tokens) {
    ladder.push_back(static_cast<uint32_t>(history));
  }
  return ladder;
}

// Only what an earlier build made, and nothing else, is replaced.
Status MayReplace(const fs::path& out, bool force) {
  const auto text = axollama::ReadFile(out / "config.json");
  const auto config = text ? json::ParseObject(*text, "config.json") : Result<json::Object>();
  bool ours = false;
  if (text && config) {
    const json::Value* mark = json::Find(*config, "axollama");
    if (mark && mark->is_object()) {
      const auto producer = json::GetString(mark->get_object(), "producer", "");
      ours = producer && *producer == spec::kProducerName;
    }
  }
  if (!ours) {
    return Fail(ErrorKind::kConflict,
                fmt::format("{} exists and is no bundle of axollama-sim: name another folder",
                            out.string()));
  }
  if (!force) {
    return Fail(ErrorKind::kConflict, fmt::format("{} exists: --force replaces it", out.string()));
  }
  return {};
}

Steps StepsOf(const BuildOptions& options) {
  return {options.context_tokens - 1, options.chunk_tokens, Ladder(options)};
}

// The jobs of one build, done by two threads: a file each, the largest first.
class Job {
 public:
  // `source` is nullptr where only the geometry is built.
  Job(const BuildOptions& options, const Source* source, Description* description,
      const fs::path& folder, const std::function<bool()>& stop, const ProgressCallback& progress)
      : options_(options),
        source_(source),
        d_(*description),
        folder_(folder),
        stop_(stop),
        progress_(progress) {
    for (FileDescription& layer : d_.layers) Complete(&layer.program);
    Complete(&d_.post.program);
    // `pulsar2 llm_build` makes the post model s8, whatever the layers are.
    if (source_ == nullptr) d_.post.program.weights = spec::WeightType::kS8;
    files_ = PlanFiles(options.layout, d_, StepsOf(options));
    for (const PlannedFile& file : files_) {
      for (const PlannedFile::Part& part : file.parts) total_ += Values(*part.description);
    }
    total_ += uint64_t{d_.vocab} * d_.hidden;
  }

  Status Run() {
    const size_t count = files_.size() + 1;
    const auto work = [&] {
      for (size_t i = next_++; i < count && !failed_; i = next_++) {
        Status status = i == 0 ? File(files_[0]) : i == 1 ? Embedding() : File(files_[i - 1]);
        if (!status) {
          const std::lock_guard lock(mutex_);
          if (!failed_.exchange(true)) first_error_ = std::move(status);
        }
      }
    };
    std::vector<std::thread> threads;
    for (size_t t = 1; t < kThreads; ++t) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
    return first_error_;
  }

  // Root of the mean squared change of the s4 weights, over that of the weights themselves.
  double S4Error() const {
    return s4_loss_.values > 0 ? std::sqrt(s4_loss_.errors / s4_loss_.values) : 0;
  }

 private:
  void Complete(spec::Program* program) const {
    program->weights = options_.weights;
    // The head decides between tokens directly, and the vendor's compiler leaves it s8 as well.
    if (options_.weights == spec::WeightType::kS4 && program->kind == spec::Kind::kPost) {
      program->weights = spec::WeightType::kS8;
    }
    program->context = options_.context_tokens;
  }

  static uint64_t Values(const FileDescription& file) {
    uint64_t values = 0;
    for (const WeightRule& rule : file.rules)
      values += std::max<uint64_t>(rule.rows, 1) * rule.cols;
    return values;
  }

  bool Stopped() { return failed_ || stop_(); }

  void Advance(uint64_t values) {
    const std::lock_guard lock(mutex_);
    done_ += values;
    progress_(done_, total_);
  }

  void AddLoss(const SquareSums& sums) {
    const std::lock_guard lock(mutex_);
    s4_loss_.values += sums.values;
    s4_loss_.errors += sums.errors;
  }

  Status File(const PlannedFile& file) {
    AX_ASSIGN_OR_RETURN(container::Writer writer,
                        container::Writer::Create(folder_ / file.name, file.program, file.groups));
    if (source_ == nullptr) AX_RETURN_IF_ERROR(writer.AddHoles());
    for (const PlannedFile::Part& part : file.parts) {
      AX_RETURN_IF_ERROR(Part(*part.description, part.prefix, &writer));
    }
    return writer.Finish();
  }

  Status Part(const FileDescription& part, const std::string& prefix, container::Writer* writer) {
    const spec::Program& program = part.program;
    for (const WeightRule& rule : part.rules) {
      if (Stopped()) return Fail(ErrorKind::kCancelled, "interrupted");
      const std::string name = prefix + rule.weight;
      if (!rule.values.empty()) {
        AX_RETURN_IF_ERROR(writer->Add(name, DataType::kFp32, {static_cast<int64_t>(rule.cols)},
                                       std::as_bytes(std::span(rule.values))));
        Advance(rule.cols);
        continue;
      }
      AX_ASSIGN_OR_RETURN(const Weights weights,
                          MakeWeights(*source_->FindTensor(rule.tensor), rule, program,
                                      [this] { return Stopped(); }));
      for (const Initialiser& made : weights.parts) {
        AX_RETURN_IF_ERROR(writer->Add(prefix + made.name, made.type, made.dims, made.data));
      }
      AddLoss(weights.s4_loss);
      Advance(std::max<uint64_t>(rule.rows, 1) * rule.cols);
    }
    return {};
  }

  // [vocab, hidden] as raw bf16.
  Status Embedding() {
    const fs::path path = folder_ / kEmbeddingName;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    const auto error = [&] {
      return Fail(ErrorKind::kIo,
                  fmt::format("cannot write {}: {}", path.string(), strerror(errno)));
    };
    if (fd < 0) return error();
    if (source_ == nullptr) {
      Status hole;
      if (ftruncate(fd, static_cast<off_t>(uint64_t{2} * d_.vocab * d_.hidden)) != 0) {
        hole = error();
      }
      close(fd);
      Advance(uint64_t{d_.vocab} * d_.hidden);
      return hole;
    }
    const Tensor& tensor = *source_->FindTensor(d_.embedding);
    constexpr uint64_t kRowsPerWrite = 512;
    std::vector<float> row(d_.hidden);
    std::vector<uint16_t> buffer;
    Status status;
    for (uint64_t first = 0; first < d_.vocab && status; first += kRowsPerWrite) {
      if (Stopped()) status = Fail(ErrorKind::kCancelled, "interrupted");
      const uint64_t rows = std::min<uint64_t>(kRowsPerWrite, d_.vocab - first);
      buffer.clear();
      for (uint64_t r = first; r < first + rows; ++r) {
        DequantiseRow(tensor, r, row);
        if (!AllFinite(row)) {
          status = Fail(
              ErrorKind::kInvalid,
              fmt::format("tensor \"{}\" holds NaN or infinity: the file is damaged", tensor.name));
          break;
        }
        for (const float value : row) {
          buffer.push_back(axollama::FloatToBf16(value * d_.embedding_scale));
        }
      }
      const char* at = reinterpret_cast<const char*>(buffer.data());
      for (size_t left = status ? buffer.size() * 2 : 0; left > 0;) {
        const ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
          status = error();
          break;
        }
        at += n;
        left -= static_cast<size_t>(n);
      }
      if (status) Advance(rows * d_.hidden);
    }
    if (status && fdatasync(fd) != 0) status = error();
    if (close(fd) != 0 && status) status = error();
    return status;
  }

  const BuildOptions& options_;
  const Source* const source_;
  Description& d_;
  const fs::path folder_;
  const std::function<bool()>& stop_;
  const ProgressCallback& progress_;
  std::vector<PlannedFile> files_;  // points into d_
  uint64_t total_ = 0;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;  // guards what follows, and the callback
  uint64_t done_ = 0;
  SquareSums s4_loss_;
  Status first_error_;
};

// config.json with the keys of ax-llm, and our own under "axollama".
std::string Config(const BuildOptions& options, const Description& d,
                   const TokenizerFiles& tokenizer) {
  json::Object config;
  config["model_name"] = d.name;
  config["tokenizer_type"] = "huggingface";
  config["url_tokenizer_model"] = "tokenizer.json";
  config["model_type"] = d.model_type;
  if (options.layout == Layout::kLayers) {
    config["template_filename_axmodel"] = LayerFileName(d, StepsOf(options), "%d");
    config["axmodel_num"] = d.layers.size();
    config["filename_post_axmodel"] = PostFileName(d);
  }
  if (options.embedding) config["is_embedding"] = true;
  config["filename_tokens_embed"] = json::String(kEmbeddingName);
  config["tokens_embed_num"] = d.vocab;
  config["tokens_embed_size"] = d.hidden;
  if (tokenizer.bos_id) config["bos_id"] = *tokenizer.bos_id;
  if (tokenizer.eos_ids.size() == 1) {
    config["eos_id"] = tokenizer.eos_ids[0];
  } else if (!tokenizer.eos_ids.empty()) {
    config["eos_id"] = json::Array(tokenizer.eos_ids.begin(), tokenizer.eos_ids.end());
  }
  json::Object ours;
  ours["producer"] = json::String(spec::kProducerName);
  ours["version"] = AXOLLAMA_VERSION;
  ours["layout"] = json::String(LayoutName(options.layout));
  ours["weights"] = json::String(spec::WeightsName(options.weights));
  ours["context"] = options.context_tokens;
  ours["parameters"] = d.parameters;
  config["axollama"] = std::move(ours);
  return json::Write(config) + "\n";
}

}  // namespace

Status CheckOptions(const BuildOptions& options) {
  const auto bad = [](std::string text) { return Fail(ErrorKind::kInvalid, std::move(text)); };
  if (options.context_tokens < 2 || options.context_tokens > kMaxContext) {
    return bad(
        fmt::format("--context {} is not within 2 to {}", options.context_tokens, kMaxContext));
  }
  if (options.chunk_tokens < 1 || options.chunk_tokens > options.context_tokens) {
    return bad(fmt::format("--prefill-len {} is not within 1 to the context of {}",
                           options.chunk_tokens, options.context_tokens));
  }
  const std::vector<uint32_t> ladder = Ladder(options);
  if (ladder.size() > kMaxLadder) {
    return bad(
        fmt::format("the ladder has {} steps, more than {}: give --ladder or a larger "
                    "--prefill-len",
                    ladder.size(), kMaxLadder));
  }
  if (ladder.empty() || ladder[0] != 0) return bad("--ladder must begin with 0");
  for (size_t i = 1; i < ladder.size(); ++i) {
    if (ladder[i] <= ladder[i - 1]) return bad("--ladder must rise");
  }
  if (ladder.back() >= options.context_tokens) {
    return bad(fmt::format("--ladder goes to {}, beyond the context of {}", ladder.back(),
                           options.context_tokens));
  }
  return {};
}

// What the weights take at least.
uint64_t WeightBytes(const Description& d, spec::WeightType weights) {
  const uint64_t halves = weights == spec::WeightType::kBf16 ? 4
                          : weights == spec::WeightType::kS8 ? 2
                                                             : 1;
  return d.parameters / 2 * halves;
}

Result<BuildReport> Build(const BuildOptions& options, const std::function<bool()>& stop,
                          const ProgressCallback& progress) {
  AX_RETURN_IF_ERROR(CheckOptions(options));
  std::unique_ptr<Source> source;
  Description d;
  if (options.geometry.empty()) {
    AX_ASSIGN_OR_RETURN(source, OpenSource(options.source));
    AX_ASSIGN_OR_RETURN(d, Describe(*source));
  } else {
    AX_ASSIGN_OR_RETURN(d, DescribeGeometry(options.geometry));
  }
  if (options.embedding) LeaveOutHead(&d);
  if (d.trained_context != 0 && options.context_tokens > d.trained_context) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("--context {} is more than the {} that {} was trained for",
                            options.context_tokens, d.trained_context,
                            source ? options.source.string() : options.geometry));
  }
  if (options.layout != Layout::kLayers && d.layers.size() > spec::kMaxStackLayers) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} has {} layers: more than {} do not fit into one file, use "
                            "--layout layers",
                            options.source.string(), d.layers.size(), spec::kMaxStackLayers));
  }
  AX_ASSIGN_OR_RETURN(const TokenizerFiles tokenizer,
                      source ? source->Tokenizer(d.vocab) : GeometryTokenizer());
  AX_ASSIGN_OR_RETURN(OutputFolder folder,
                      OutputFolder::Create(options.out, [&](const fs::path& out) {
                        return MayReplace(out, options.force);
                      }));

  const fs::path& path = folder.path();
  if (source) {
    AX_RETURN_IF_ERROR(axollama::CheckDiskRoom(path, WeightBytes(d, options.weights), "the model"));
  }
  Job job(options, source.get(), &d, path, stop, progress);
  AX_RETURN_IF_ERROR(job.Run());
  using axollama::WriteFileAtomically;
  AX_RETURN_IF_ERROR(WriteFileAtomically(path / "tokenizer.json", tokenizer.tokenizer_json));
  if (!tokenizer.tokenizer_config_json.empty()) {
    AX_RETURN_IF_ERROR(
        WriteFileAtomically(path / "tokenizer_config.json", tokenizer.tokenizer_config_json));
  }
  if (!tokenizer.chat_template.empty()) {
    AX_RETURN_IF_ERROR(WriteFileAtomically(path / "chat_template.jinja", tokenizer.chat_template));
  }
  AX_RETURN_IF_ERROR(WriteFileAtomically(path / "config.json", Config(options, d, tokenizer)));
  BuildReport report;
  report.model_type = d.model_type;
  report.layers = d.layers.size();
  report.parameters = d.parameters;
  report.ladder = Ladder(options);
  report.s4_error = job.S4Error();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    report.size_bytes += entry.file_size(error);
  }
  if (stop()) return Fail(ErrorKind::kCancelled, "interrupted");
  AX_RETURN_IF_ERROR(folder.Commit());
  return report;
}

}  // namespace axsim::build
