#include "api/keep_alive.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace axollama::api {
namespace {

// Sums of durations, in nanoseconds and in 128 bits, are cut to this.
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr __int128 kEnough = static_cast<__int128>(kMax) + 1;  // |INT64_MIN|

struct Unit {
  std::string_view name;
  int64_t ns;
};
// U+00B5 is the micro sign, U+03BC the Greek letter: Go takes both.
constexpr Unit kUnits[] = {
    {"ns", 1},         {"us", 1'000},        {"\xc2\xb5s", 1'000},  {"\xce\xbcs", 1'000},
    {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

__int128 Saturated(__int128 value) { return value > kEnough ? kEnough : value; }

// Seconds as a JSON number or an environment variable gives them; the fraction below a nanosecond
// is dropped, as in Go.
int64_t FromSeconds(double seconds) {
  const double ns = seconds * 1e9;
  return ns >= 9.2233720368547758e18 ? kKeepAliveForever : static_cast<int64_t>(ns);
}

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// What Go's leadingInt and leadingFraction read: digits, a point, digits.
struct Number {
  __int128 whole = 0;
  double fraction = 0;
  bool given = false;
};

Number TakeNumber(std::string_view* text) {
  Number number;
  while (!text->empty() && IsDigit(text->front())) {
    number.whole = Saturated(number.whole * 10 + (text->front() - '0'));
    number.given = true;
    text->remove_prefix(1);
  }
  if (text->empty() || text->front() != '.') return number;
  text->remove_prefix(1);
  double scale = 1;
  int64_t digits = 0;
  while (!text->empty() && IsDigit(text->front())) {
    // Digits beyond the eighteenth are below any nanosecond.
    if (scale < 1e18) {
      digits = digits * 10 + (text->front() - '0');
      scale *= 10;
    }
    number.given = true;
    text->remove_prefix(1);
  }
  number.fraction = static_cast<double>(digits) / scale;
  return number;
}

}  // namespace

Result<int64_t> ParseDuration(std::string_view text) {
  const std::string_view whole = text;
  const auto invalid = [&] { return Bad(fmt::format("time: invalid duration \"{}\"", whole)); };
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0;
  if (text.empty()) return invalid();
  __int128 total = 0;
  while (!text.empty()) {
    if (text.front() != '.' && !IsDigit(text.front())) return invalid();
    const Number number = TakeNumber(&text);
    if (!number.given) return invalid();
    size_t size = 0;
    while (size < text.size() && text[size] != '.' && !IsDigit(text[size])) ++size;
    if (size == 0) {
      return Bad(fmt::format("time: missing unit in duration \"{}\"", whole));
    }
    const std::string_view name = text.substr(0, size);
    text.remove_prefix(size);
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (candidate.name == name) unit = &candidate;
    }
    if (unit == nullptr) {
      return Bad(fmt::format("time: unknown unit \"{}\" in duration \"{}\"", name, whole));
    }
    total = Saturated(total + Saturated(number.whole * unit->ns) +
                      static_cast<int64_t>(number.fraction * static_cast<double>(unit->ns)));
  }
  if (negative) return static_cast<int64_t>(-total);
  return total > kMax ? kMax : static_cast<int64_t>(total);
}

Result<std::optional<int64_t>> ParseKeepAlive(const json::Object& request) {
  const json::Value* value = json::Find(request, "keep_alive");
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    const double seconds = value->to_number<double>();
    if (!std::isfinite(seconds)) return Bad("\"keep_alive\" must be a number of seconds");
    return seconds < 0 ? kKeepAliveForever : FromSeconds(seconds);
  }
  if (!value->is_string()) {
    return Bad("\"keep_alive\" must be a number of seconds or a duration such as \"5m\"");
  }
  auto ns = ParseDuration(json::View(value->get_string()));
  if (!ns) return Bad(fmt::format("\"keep_alive\": {}", ns.error().message));
  return *ns < 0 ? kKeepAliveForever : *ns;
}

Result<int64_t> ParseKeepAliveText(std::string_view text) {
  double seconds = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  if (error == std::errc() && end == text.data() + text.size() && std::isfinite(seconds)) {
    return seconds < 0 ? kKeepAliveForever : FromSeconds(seconds);
  }
  AX_ASSIGN_OR_RETURN(const int64_t ns, ParseDuration(text));
  return ns < 0 ? kKeepAliveForever : ns;
}

}  // namespace axollama::api
