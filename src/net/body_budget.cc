#include "net/body_budget.h"

#include "net/network.h"

namespace axollama::net {
namespace {

constexpr size_t kShortBytes = 1u << 20;

}  // namespace

std::string ClientOf(const std::string& peer) {
  const auto ip = ParseIp(peer);
  if (!ip) return peer;
  // Whoever has one address of an IPv6 network of 64 bits has them all.
  const Network v4{*ParseIp("0.0.0.0"), 96};
  const size_t bytes = v4.Contains(*ip) ? 16 : 8;
  return {ip->bytes.begin(), ip->bytes.begin() + static_cast<std::ptrdiff_t>(bytes)};
}

bool BodyBudget::Count(const std::string& client, size_t* held, size_t bytes) {
  if (bytes == *held) return true;
  size_t& of_client = clients_[client];
  of_client += bytes - *held;
  used_bytes_ += bytes - *held;
  *held = bytes;
  const auto fits = [&](size_t used, size_t limit) {
    return used <= (bytes > kShortBytes ? limit / 4 * 3 : limit);
  };
  const bool good = fits(used_bytes_, total_bytes_) && fits(of_client, total_bytes_ / 2);
  if (of_client == 0) clients_.erase(client);
  return good;
}

}  // namespace axollama::net
