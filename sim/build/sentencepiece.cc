#include "sim/build/sentencepiece.h"

#include <algorithm>
#include <tuple>

namespace axsim::build {
namespace {

struct Candidate {
  double score;
  uint32_t left_letters;
  uint32_t right_letters;
  Merge merge;
};

bool StartsLetter(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) != 0x80; }

uint32_t Letters(std::string_view text) {
  return static_cast<uint32_t>(std::count_if(text.begin(), text.end(), StartsLetter));
}

}  // namespace

std::vector<Merge> MergesOfPieces(std::span<const std::string_view> tokens,
                                  std::span<const uint8_t> normal, std::span<const double> scores,
                                  const std::unordered_map<std::string_view, uint32_t>& ids) {
  std::vector<Candidate> found;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (normal[id] == 0) continue;
    const std::string_view piece = tokens[id];
    std::vector<std::tuple<uint32_t, uint32_t, Candidate>> cuts;
    for (size_t at = 1; at < piece.size(); ++at) {
      if (!StartsLetter(piece[at])) continue;
      const auto left = ids.find(piece.substr(0, at));
      const auto right = ids.find(piece.substr(at));
      if (left == ids.end() || right == ids.end()) continue;
      if (normal[left->second] == 0 || normal[right->second] == 0) continue;
      cuts.emplace_back(left->second, right->second,
                        Candidate{scores[id],
                                  Letters(left->first),
                                  Letters(right->first),
                                  {left->first, right->first}});
    }
    std::sort(cuts.begin(), cuts.end(), [](const auto& a, const auto& b) {
      return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
    });
    for (auto& cut : cuts) found.push_back(std::get<2>(cut));
  }
  std::stable_sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.score, a.left_letters, a.right_letters) >
           std::tie(b.score, b.left_letters, b.right_letters);
  });
  std::vector<Merge> merges;
  merges.reserve(found.size());
  for (const Candidate& candidate : found) merges.push_back(candidate.merge);
  return merges;
}

}  // namespace axsim::build
