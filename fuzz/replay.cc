// Runs a fuzz target without libFuzzer: the committed seeds, then mutations of them, always the
// same ones.
//
//   fuzz_TARGET FOLDER [COUNT]   every file of FOLDER, and COUNT mutations (20,000)
//   fuzz_TARGET FILE             this input alone, to look at one that failed
//
// Under AddressSanitizer it bounds single allocations and the whole; else the address space is
// bounded. A timer bounds the CPU time of one input. An input that fails is kept as
// `failed-fuzz_TARGET` in the working folder.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/input.h"

// The sanitizer's library asks for its options, and has this function; both only where it is
// linked.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "max_allocation_size_mb=64:hard_rss_limit_mb=2048:handle_abort=1:detect_leaks=1";
}
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

constexpr time_t kSecondsPerInput = 10;          // of CPU; none of the targets needs a hundredth
constexpr rlim_t kMaxAddressSpace = 512u << 20;  // without a sanitizer, which needs TBs of it
constexpr size_t kMaxInput = 48u << 10;

std::string current;  // the input that runs, for the handlers
std::string kept_name;

void KeepInput() {
  const int fd = open(kept_name.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (write(fd, current.data(), current.size()) == static_cast<ssize_t>(current.size())) {
    fprintf(stderr, "the input is kept in %s\n", kept_name.c_str());
  }
  close(fd);
}

void KeepInputAndDie(int number) {
  KeepInput();
  signal(number, SIG_DFL);
  raise(number);
}

void OutOfTime(int) {
  constexpr char kText[] = "error: one input took more than 10 s of CPU\n";
  if (write(STDERR_FILENO, kText, sizeof kText - 1) < 0) _exit(1);
  abort();
}

void Run(std::string input) {
  current = std::move(input);
  // Its own allocation, so that a read beyond the end is seen.
  std::vector<uint8_t> bytes(current.begin(), current.end());
  bytes.shrink_to_fit();
  itimerval limit{};
  limit.it_value.tv_sec = kSecondsPerInput;
  setitimer(ITIMER_PROF, &limit, nullptr);
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void BoundAndWatch() {
  signal(SIGPROF, OutOfTime);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(KeepInput);
    return;
  }
  const rlimit limit{kMaxAddressSpace, kMaxAddressSpace};
  setrlimit(RLIMIT_AS, &limit);
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    signal(number, KeepInputAndDie);
  }
}

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& seeds) : seeds_(seeds) {}

  std::string Next() {
    std::string text = seeds_[Pick(seeds_.size())];
    for (size_t left = 1 + Pick(4); left > 0; --left) Change(&text);
    if (text.size() > kMaxInput) text.resize(kMaxInput);
    return text;
  }

 private:
  size_t Pick(size_t count) { return count == 0 ? 0 : random_() % count; }

  void Change(std::string* text) {
    const size_t at = Pick(text->size());
    const size_t left = text->size() - at;
    switch (Pick(8)) {
      case 0:
        if (left > 0) (*text)[at] = static_cast<char>((*text)[at] ^ (1 << Pick(8)));
        return;
      case 1:
        if (left > 0) (*text)[at] = static_cast<char>(random_());
        return;
      case 2:
        return text->resize(at);
      case 3:
        text->erase(at, Pick(std::min<size_t>(left, 64) + 1));
        return;
      case 4:
        text->insert(at, std::string(text->substr(Pick(text->size()), 1 + Pick(32))));
        return;
      case 5: {  // the head of this one, the tail of another
        const std::string& other = seeds_[Pick(seeds_.size())];
        *text = text->substr(0, at) + other.substr(Pick(other.size()));
        return;
      }
      case 6: {  // a length or count at the edges of its type
        constexpr uint64_t kEdges[] = {0,
                                       1,
                                       0x7f,
                                       0x80,
                                       0xff,
                                       0xffff,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0x7fffffffffffffff,
                                       0x8000000000000000,
                                       0xffffffffffffffff};
        const uint64_t edge = kEdges[Pick(std::size(kEdges))];
        std::memcpy(text->data() + at, &edge, std::min(left, size_t{1} << Pick(4)));
        return;
      }
      default: {  // a piece of text that parsers care about
        constexpr std::string_view kPieces[] = {"-",        "1e999",   "18446744073709551616",
                                                "\"",       "\\u0000", "\xff",
                                                "[[[[[[[[", "null",    "{}",
                                                "\r\n",     "\n\n\n",  "%00",
                                                "0x",       "-1"};
        text->insert(at, kPieces[Pick(std::size(kPieces))]);
        return;
      }
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937_64 random_{20261127};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fprintf(stderr, "usage: %s FOLDER [COUNT] | FILE\n", argv[0]);
    return 2;
  }
  kept_name = "failed-" + std::filesystem::path(argv[0]).filename().string();
  BoundAndWatch();
  const std::filesystem::path place = argv[1];
  if (std::filesystem::is_regular_file(place)) {
    Run(ReadAll(place));
    return 0;
  }
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(place, error)) {
    files.push_back(entry.path());
  }
  if (error || files.empty()) {
    fprintf(stderr, "error: no seeds in %s\n", argv[1]);
    return 1;
  }
  std::sort(files.begin(), files.end());  // the mutations are the same on every machine
  std::vector<std::string> seeds;
  for (const auto& file : files) seeds.push_back(ReadAll(file));
  for (const std::string& seed : seeds) Run(seed);
  Mutator mutator(seeds);
  const long count = argc == 3 ? std::atol(argv[2]) : 20000;
  for (long i = 0; i < count; ++i) Run(mutator.Next());
  printf("%zu seeds, %ld mutations\n", seeds.size(), count);
  return 0;
}
