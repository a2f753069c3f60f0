#include "sim/build/builder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <set>
#include <thread>

#include "base/bf16.h"
#include "base/file.h"
#include "base/json.h"
#include "sim/build/build_main.h"
#include "sim/build/test_gguf.h"
#include "sim/container/axmodel.h"

namespace axsim::build {
namespace {

namespace fs = std::filesystem;
namespace json = axollama::json;
using axollama::ErrorKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kNever = [] { return false; };
const auto kSilent = [](uint64_t, uint64_t) {};

std::set<std::string> Names(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

class Builder : public ::testing::Test {
 protected:
  Builder() {
    options_.source = folder_.Write("tiny.gguf", TinyLlama().Bytes());
    options_.out = folder_ / "out";
    options_.context_tokens = 64;
    options_.chunk_tokens = 16;
  }
  std::string Refusal() {
    const auto report = Build(options_, kNever, kSilent);
    return report ? "accepted" : report.error().message;
  }
  TestFolder folder_;
  BuildOptions options_;
};

TEST_F(Builder, MakesTheFolderOfPulsar2) {
  uint64_t last = 0, total = 0;
  const auto report = Build(options_, kNever, [&](uint64_t done, uint64_t all) {
    EXPECT_GT(done, last);
    last = done;
    total = all;
  });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(last, total);
  EXPECT_EQ(report->layers, 2u);
  EXPECT_THAT(report->ladder, ElementsAre(0, 16, 32, 48));
  const fs::path out = options_.out;
  EXPECT_EQ(Names(out),
            (std::set<std::string>{"llama_p16_l0_together.axmodel", "llama_p16_l1_together.axmodel",
                                   "llama_post.axmodel", "model.embed_tokens.weight.bfloat16.bin",
                                   "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                                   "config.json"}));
  EXPECT_EQ(Names(folder_.path()), (std::set<std::string>{"out", "tiny.gguf"}));
  EXPECT_EQ(ReadAll(out / "chat_template.jinja"),
            "{% for m in messages %}{{ m['content'] }}{% endfor %}");
  const auto config = json::ParseObject(ReadAll(out / "config.json"), "config.json");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->at("model_name").as_string(), "Tiny");
  EXPECT_EQ(config->at("template_filename_axmodel").as_string(), "llama_p16_l%d_together.axmodel");
  EXPECT_EQ(config->at("axmodel_num").to_number<int>(), 2);
  EXPECT_EQ(config->at("tokens_embed_num").to_number<int>(), 9);
  EXPECT_EQ(config->at("tokens_embed_size").to_number<int>(), 32);
  EXPECT_EQ(config->at("axollama").at("weights").as_string(), "s8");
  EXPECT_EQ(config->at("axollama").at("context").to_number<int>(), 64);
  EXPECT_EQ(json::Write(config->at("eos_id")), "[2,0]");
}

TEST_F(Builder, ABundleForEmbeddingsEndsAfterTheNorm) {
  options_.embedding = true;
  for (const Layout layout : {Layout::kLayers, Layout::kSingle}) {
    options_.layout = layout;
    options_.force = true;
    const auto report = Build(options_, kNever, kSilent);
    ASSERT_TRUE(report) << report.error().message;
    const auto config = json::ParseObject(ReadAll(options_.out / "config.json"), "config.json");
    ASSERT_TRUE(config);
    EXPECT_TRUE(config->at("is_embedding").as_bool());
    const bool stack = layout == Layout::kSingle;
    const auto file =
        axollama::MappedFile::Open(options_.out / (stack ? "model.axmodel" : "llama_post.axmodel"));
    ASSERT_TRUE(file);
    const auto model = container::Read(file->bytes());
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_TRUE(model->weights.contains("norm"));
    EXPECT_FALSE(model->weights.contains("head"));
    const container::Tensor& output = model->groups.back().outputs[0];
    EXPECT_EQ(output.name, "output");
    EXPECT_THAT(output.dims, ElementsAre(1, stack ? 16 : 1, 32));
  }
}

TEST_F(Builder, MakesS4LayersAndKeepsTheHeadS8) {
  options_.weights = spec::WeightType::kS4;
  const auto report = Build(options_, kNever, kSilent);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT(report->s4_error, 0.02);
  EXPECT_LT(report->s4_error, 0.2);
  const auto config = json::ParseObject(ReadAll(options_.out / "config.json"), "config.json");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->at("axollama").at("weights").as_string(), "s4");
  const auto file = axollama::MappedFile::Open(options_.out / "llama_p16_l0_together.axmodel");
  ASSERT_TRUE(file);
  const auto layer = container::Read(file->bytes());
  ASSERT_TRUE(layer) << layer.error().message;
  EXPECT_EQ(layer->program.weights, spec::WeightType::kS4);
  EXPECT_EQ(layer->weights.find("q")->second.type, container::DataType::kUint8);
  EXPECT_THAT(layer->weights.find("q")->second.dims, ElementsAre(32, 32));
  EXPECT_THAT(layer->weights.find("q.factor")->second.dims, ElementsAre(32, 1));
  EXPECT_THAT(layer->weights.find("q.scale")->second.dims, ElementsAre(32));
  const auto post = axollama::MappedFile::Open(options_.out / "llama_post.axmodel");
  ASSERT_TRUE(post);
  const auto head = container::Read(post->bytes());
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->program.weights, spec::WeightType::kS8);
}

// Granite's embedding is scaled in its table, not in the head that shares it.
TEST_F(Builder, ScalesTheEmbeddingAndWritesFactorsThatNoTensorHolds) {
  GgufFile f = TinyLlama();
  f.Rename("llama", "granite");
  f.Float("granite.logit_scale", 8.0f);
  f.Float("granite.embedding_scale", 12.0f);
  f.Float("granite.rope.scaling.factor", 8.0f);
  options_.source = folder_.Write("granite.gguf", f.Bytes());
  options_.weights = spec::WeightType::kBf16;
  ASSERT_EQ(Refusal(), "accepted");
  float first = 0;
  memcpy(&first, f.tensors["token_embd.weight"].data.data(), sizeof first);
  const auto is = [](const void* bits, float value) {
    uint16_t stored = 0;
    memcpy(&stored, bits, sizeof stored);
    EXPECT_EQ(stored, axollama::FloatToBf16(value));
  };
  is(ReadAll(options_.out / "model.embed_tokens.weight.bfloat16.bin").data(), first * 12.0f);
  const auto post = axollama::MappedFile::Open(options_.out / "granite_post.axmodel");
  ASSERT_TRUE(post);
  const auto head = container::Read(post->bytes());
  ASSERT_TRUE(head) << head.error().message;
  is(head->weights.find("head")->second.data.data(), first);
  EXPECT_EQ(head->program.logit_scale, 0.125f);
  const auto file = axollama::MappedFile::Open(options_.out / "granite_p16_l1_together.axmodel");
  ASSERT_TRUE(file);
  const auto layer = container::Read(file->bytes());
  ASSERT_TRUE(layer) << layer.error().message;
  const auto& factors = layer->weights.find("rope_factors")->second;
  ASSERT_EQ(factors.data.size(), 4 * sizeof(float));
  for (size_t i = 0; i < 4; ++i) {
    float factor = 0;
    memcpy(&factor, factors.data.data() + i * sizeof factor, sizeof factor);
    EXPECT_EQ(factor, 8.0f);
  }
}

TEST_F(Builder, FilesHoldTheModelInTheVendorsShapes) {
  ASSERT_EQ(Refusal(), "accepted");
  const auto file = axollama::MappedFile::Open(options_.out / "llama_p16_l1_together.axmodel");
  ASSERT_TRUE(file);
  const auto model = container::Read(file->bytes());
  ASSERT_TRUE(model) << model.error().message;
  ASSERT_EQ(model->groups.size(), 5u);
  EXPECT_THAT(model->groups[0].inputs[0].dims, ElementsAre(1, 63, 16));
  EXPECT_THAT(model->groups[0].inputs[4].dims, ElementsAre(1, 1, 64));
  EXPECT_THAT(model->groups[1].inputs[0].dims, ElementsAre(1, 1, 16));
  EXPECT_THAT(model->groups[1].inputs[4].dims, ElementsAre(1, 16, 17));
  EXPECT_THAT(model->groups[4].inputs[4].dims, ElementsAre(1, 16, 64));
  EXPECT_EQ(model->program.context, 64u);
  // Row 1 of the program's q is row 2 of the source: pairs (2i, 2i + 1) became (i, i + 4).
  const std::string source = TinyLlama().tensors["blk.1.attn_q.weight"].data;
  float row[32], most = 0;
  memcpy(row, source.data() + 2 * sizeof row, sizeof row);
  for (const float value : row) most = std::max(most, std::fabs(value));
  float scale = 0;
  memcpy(&scale, model->weights.find("q.scale")->second.data.data() + 4, 4);
  EXPECT_EQ(scale, most / 127);
  const auto* codes =
      reinterpret_cast<const int8_t*>(model->weights.find("q")->second.data.data()) + 32;
  for (int i = 0; i < 32; ++i) EXPECT_NEAR(codes[i] * scale, row[i], scale * 0.5001f) << i;

  const std::string embedding = ReadAll(options_.out / "model.embed_tokens.weight.bfloat16.bin");
  ASSERT_EQ(embedding.size(), kTinyVocab * kTinyHidden * 2);
  const std::string floats = TinyLlama().tensors["token_embd.weight"].data;
  for (size_t i = 0; i < kTinyVocab * kTinyHidden; ++i) {
    uint16_t bits = 0;
    float value = 0;
    memcpy(&bits, &embedding[2 * i], 2);
    memcpy(&value, &floats[4 * i], 4);
    ASSERT_EQ(axollama::Bf16ToFloat(bits), value) << i;
  }
}

TEST_F(Builder, MakesBf16WeightsAndAGivenLadder) {
  options_.weights = spec::WeightType::kBf16;
  options_.ladder = {{0, 63}};
  ASSERT_EQ(Refusal(), "accepted");
  const auto file = axollama::MappedFile::Open(options_.out / "llama_p16_l0_together.axmodel");
  ASSERT_TRUE(file);
  const auto model = container::Read(file->bytes());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->groups.size(), 3u);
  EXPECT_EQ(model->weights.find("q")->second.type, container::DataType::kBf16);
  EXPECT_EQ(model->weights.count("q.scale"), 0u);
}

TEST_F(Builder, ReplacesOnlyItsOwnAndOnlyWhenTold) {
  ASSERT_EQ(Refusal(), "accepted");
  EXPECT_THAT(Refusal(), HasSubstr("--force replaces it"));
  options_.force = true;
  options_.weights = spec::WeightType::kBf16;
  EXPECT_EQ(Refusal(), "accepted");
  EXPECT_THAT(ReadAll(options_.out / "config.json"), HasSubstr("\"weights\":\"bf16\""));
  EXPECT_EQ(Names(folder_.path()), (std::set<std::string>{"out", "tiny.gguf"}));
  options_.out = folder_ / "precious";
  fs::create_directory(options_.out);
  folder_.Write("precious/letter.txt", "dear");
  EXPECT_THAT(Refusal(), HasSubstr("is no bundle of axollama-sim"));
  folder_.Write("precious/config.json", "{\"axollama\":{}}");
  EXPECT_THAT(Refusal(), HasSubstr("is no bundle of axollama-sim"));
  EXPECT_EQ(ReadAll(options_.out / "letter.txt"), "dear");
}

TEST_F(Builder, AFailedBuildLeavesNothing) {
  GgufFile bad = TinyLlama();
  bad.tensors["blk.1.ffn_down.weight"].data.replace(0, 4, Raw(std::nanf("")));
  options_.source = folder_.Write("tiny.gguf", bad.Bytes());
  options_.out = folder_ / "a/b/out";
  EXPECT_THAT(Refusal(), HasSubstr("\"blk.1.ffn_down.weight\" holds NaN"));
  EXPECT_EQ(Names(folder_.path()), (std::set<std::string>{"tiny.gguf"}));
}

TEST_F(Builder, StopsWhenTold) {
  int asked = 0;
  const auto report = Build(options_, [&] { return ++asked > 10; }, kSilent);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(Names(folder_.path()), (std::set<std::string>{"tiny.gguf"}));
}

TEST_F(Builder, CleansUpAfterAKilledOneButNotARunningOne) {
  const fs::path leftover = folder_ / ".out.building-1";
  fs::create_directory(leftover);
  folder_.Write(".out.building-1/llama_post.axmodel", "half");
  const int fd = open(leftover.c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  EXPECT_THAT(Refusal(), HasSubstr("another build of"));
  EXPECT_TRUE(fs::exists(leftover));
  close(fd);
  EXPECT_EQ(Refusal(), "accepted");
  EXPECT_EQ(Names(folder_.path()), (std::set<std::string>{"out", "tiny.gguf"}));
}

TEST_F(Builder, RefusesPlacesThatCannotBe) {
  options_.out = folder_ / "tiny.gguf/out";
  EXPECT_THAT(Refusal(), HasSubstr("cannot make the folder"));
  options_.out = folder_ / "tiny.gguf";
  EXPECT_THAT(Refusal(), HasSubstr("is no bundle of axollama-sim"));
  options_.out = "/";
  EXPECT_NE(Refusal(), "accepted");
  options_.out = folder_ / "out";
  options_.source = folder_.path();
  EXPECT_THAT(Refusal(), HasSubstr("is a folder without config.json"));
  options_.source = folder_ / "absent.gguf";
  EXPECT_THAT(Refusal(), HasSubstr("absent.gguf"));
  options_.source = folder_ / "tiny.gguf";
  options_.context_tokens = 512;
  EXPECT_THAT(Refusal(), HasSubstr("more than the 256"));
}

// A disk that takes no more: here a limit on the size of files, in a process of its own.
TEST_F(Builder, AFullDiskIsOneLineAndLeavesNothing) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto report = Build(options_, kNever, kSilent);
    _exit(!report && report.error().kind == ErrorKind::kIo &&
                  report.error().message.find("cannot write") != std::string::npos
              ? 7
              : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(Names(folder_.path()), (std::set<std::string>{"tiny.gguf"}));
}

TEST(BuildOptionsCheck, NamesTheOption) {
  const auto error = [](uint32_t context, uint32_t chunk,
                        std::optional<std::vector<uint32_t>> ladder) {
    BuildOptions options;
    options.context_tokens = context;
    options.chunk_tokens = chunk;
    options.ladder = std::move(ladder);
    const auto status = CheckOptions(options);
    return status ? "fine" : status.error().message;
  };
  EXPECT_EQ(error(2048, 128, {}), "fine");
  EXPECT_THAT(error(1, 1, {}), HasSubstr("--context 1"));
  EXPECT_THAT(error(64, 128, {}), HasSubstr("--prefill-len 128"));
  EXPECT_THAT(error(64, 0, {}), HasSubstr("--prefill-len 0"));
  EXPECT_THAT(error(64, 16, {{16}}), HasSubstr("begin with 0"));
  EXPECT_THAT(error(64, 16, {{0, 32, 32}}), HasSubstr("must rise"));
  EXPECT_THAT(error(64, 16, {{0, 64}}), HasSubstr("beyond the context"));
  EXPECT_THAT(error(1 << 20, 128, {}), HasSubstr("8192 steps"));
}

// Runs the command in a process of its own; its standard error goes to `error_fd`.
pid_t Start(const std::vector<std::string>& arguments, int error_fd) {
  const pid_t child = fork();
  if (child != 0) return child;
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDOUT_FILENO);
  dup2(error_fd, STDERR_FILENO);
  std::vector<std::string> copy = arguments;
  copy.insert(copy.begin(), "axollama-sim build");
  std::vector<char*> argv;
  for (std::string& argument : copy) argv.push_back(argument.data());
  argv.push_back(nullptr);
  _exit(BuildMain(static_cast<int>(copy.size()), argv.data()));
}

std::pair<int, std::string> RunCommand(const std::vector<std::string>& arguments) {
  int pipe_fds[2];
  EXPECT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const pid_t child = Start(arguments, pipe_fds[1]);
  close(pipe_fds[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(pipe_fds[0], buffer, sizeof buffer)) > 0;) text.append(buffer, n);
  close(pipe_fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

TEST(BuildCommand, ExitCodes) {
  TestFolder folder;
  const std::string source = folder.Write("tiny.gguf", TinyLlama().Bytes()).string();
  const std::string out = (folder / "out").string();
  EXPECT_EQ(RunCommand({"--help"}).first, 0);
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{},
                                             {source},
                                             {source, out, "--weights", "s3"},
                                             {source, out, "--context", "many"},
                                             {source, out, "--context", "-5"},
                                             {source, out, "--ladder", "128,0"},
                                             {source, out, "--no-such-option"}}) {
    const auto [code, text] = RunCommand(wrong);
    EXPECT_EQ(code, 2) << text;
    EXPECT_THAT(text, HasSubstr("error: "));
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  }
  const std::vector<std::string> right = {source,          out,  "--context", "64",
                                          "--prefill-len", "16", "--ladder",  "0,16,32"};
  const auto [code, text] = RunCommand(right);
  EXPECT_EQ(code, 0) << text;
  EXPECT_THAT(text, HasSubstr("building: 100 %\n"));
  const auto [again, refusal] = RunCommand(right);
  EXPECT_EQ(again, 1);
  EXPECT_EQ(std::count(refusal.begin(), refusal.end(), '\n'), 1) << refusal;
}

TEST(BuildCommand, ClosedStandardStreamsDoNotHarmTheFiles) {
  TestFolder folder;
  const std::string source = folder.Write("tiny.gguf", TinyLlama().Bytes()).string();
  const std::string open_out = (folder / "open").string(),
                    closed_out = (folder / "closed").string();
  ASSERT_EQ(RunCommand({source, open_out, "--context", "64", "--prefill-len", "16"}).first, 0);
  const pid_t child = fork();
  if (child == 0) {
    for (const int fd : {0, 1, 2}) close(fd);
    std::vector<std::string> copy = {"axollama-sim build", source, closed_out, "--context", "64",
                                     "--prefill-len",      "16"};
    std::vector<char*> argv;
    for (std::string& argument : copy) argv.push_back(argument.data());
    argv.push_back(nullptr);
    _exit(BuildMain(static_cast<int>(copy.size()), argv.data()));
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_EQ(Names(open_out), Names(closed_out));
  for (const std::string& name : Names(open_out)) {
    EXPECT_EQ(ReadAll(fs::path(open_out) / name), ReadAll(fs::path(closed_out) / name)) << name;
  }
}

class BuildSignal : public ::testing::TestWithParam<int> {};

// The command's standard error is a full pipe, so that it stands still at its first progress line
// until the signal is there.
TEST_P(BuildSignal, LeavesNothingAndExitsWith130) {
  TestFolder folder;
  const std::string source = folder.Write("tiny.gguf", TinyLlama().Bytes()).string();
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
  const std::string filler(4096, '.');
  while (write(pipe_fds[1], filler.data(), filler.size()) > 0) {
  }
  fcntl(pipe_fds[1], F_SETFL, 0);
  fcntl(pipe_fds[0], F_SETFL, 0);
  const pid_t child = Start(
      {source, (folder / "out").string(), "--context", "64", "--prefill-len", "16"}, pipe_fds[1]);
  close(pipe_fds[1]);
  const auto wait_until = [](const std::function<bool()>& condition) {
    for (int i = 0; i < 30000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return condition();
  };
  ASSERT_TRUE(wait_until([&] {
    const auto names = Names(folder.path());
    for (const std::string& name : names) {
      if (name.starts_with(".out.building-") && !Names(folder / name).empty()) return true;
    }
    return false;
  }));
  ASSERT_EQ(kill(child, GetParam()), 0);
  ASSERT_TRUE(wait_until([&] {  // taken by a thread: no longer pending for the process
    const std::string status = ReadAll("/proc/" + std::to_string(child) + "/status");
    const size_t at = status.find("ShdPnd:");
    return at != std::string::npos && std::stoull(status.substr(at + 7), nullptr, 16) == 0;
  }));
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(pipe_fds[0], buffer, sizeof buffer)) > 0;) text.append(buffer, n);
  close(pipe_fds[0]);
  text.erase(0, text.find_first_not_of('.'));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_THAT(text, HasSubstr("interrupted"));
  EXPECT_EQ(Names(folder.path()), (std::set<std::string>{"tiny.gguf"}));
}

INSTANTIATE_TEST_SUITE_P(Signals, BuildSignal, ::testing::Values(SIGINT, SIGTERM, SIGHUP));

}  // namespace
}  // namespace axsim::build
