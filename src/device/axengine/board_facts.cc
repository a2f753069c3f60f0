#include "device/axengine/board_facts.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

namespace axollama::device::axengine {
namespace {

constexpr size_t kMaxFileBytes = 16u << 10;
constexpr double kMaxTemperature = 250;

// Files of /proc are no regular ones and say nothing of their size.
std::string ReadText(const std::filesystem::path& path) {
  std::string text(kMaxFileBytes, '\0');
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  size_t size = 0;
  if (fd >= 0) {
    ssize_t n = 0;
    while (size < text.size() && (n = read(fd, text.data() + size, text.size() - size)) > 0) {
      size += static_cast<size_t>(n);
    }
    close(fd);
  }
  text.resize(size);
  return text;
}

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The number that `text` begins with.
template <typename Number>
std::optional<Number> LeadingNumber(std::string_view text, int base) {
  Number number{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (result.ec != std::errc{}) return std::nullopt;
  return number;
}

// "Ax_Version V1.45.0_P39_...": the last word of the first line.
std::string Firmware(std::string_view text) {
  const std::string_view line = Trim(text.substr(0, text.find('\n')));
  const size_t space = line.find_last_of(" \t");
  return std::string(space == std::string_view::npos ? line : line.substr(space + 1));
}

// "ax_uid: 0x..."
uint64_t Uid(std::string_view text) {
  const size_t begin = text.find("0x");
  if (begin == std::string_view::npos) return 0;
  return LeadingNumber<uint64_t>(text.substr(begin + 2), 16).value_or(0);
}

// One "utilization:NN%" per core; the mean.
std::optional<double> NpuPercent(std::string_view text) {
  constexpr std::string_view kKey = "utilization:";
  double sum = 0;
  int cores = 0;
  for (size_t at = text.find(kKey); at != std::string_view::npos; at = text.find(kKey, at)) {
    at += kKey.size();
    const auto percent = LeadingNumber<uint32_t>(Trim(text.substr(at)), 10);
    if (!percent || *percent > 100) return std::nullopt;
    sum += *percent;
    ++cores;
  }
  if (cores == 0) return std::nullopt;
  return sum / cores;
}

}  // namespace

BoardFacts ReadBoardFacts(const std::filesystem::path& root) {
  const std::filesystem::path proc = root / "proc/ax_proc";
  BoardFacts facts;
  facts.firmware = Firmware(ReadText(proc / "version"));
  facts.uid = Uid(ReadText(proc / "uid"));
  facts.npu_percent = NpuPercent(ReadText(proc / "npu/top"));
  const std::string thermal = ReadText(root / "sys/class/thermal/thermal_zone0/temp");
  const auto milli_degrees = LeadingNumber<int32_t>(Trim(thermal), 10);
  if (milli_degrees && *milli_degrees / 1000.0 < kMaxTemperature) {
    facts.temperature_c = *milli_degrees / 1000.0;
  }
  return facts;
}

}  // namespace axollama::device::axengine
