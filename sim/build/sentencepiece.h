// The merges of a SentencePiece vocabulary, which GGUF does not hold.
//
// SentencePiece's BPE joins, again and again, the neighbours whose joined piece has the best score.
// Hugging Face's form wants that as a list of pairs, the best first: every way to cut a piece into
// two others, by the score of the whole; equal ones longest left part first, as transformers'
// conversion sorts them. Only normal pieces are joined or made: the others are matched before.
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace axsim::build {

struct Merge {
  std::string_view left;  // views into `tokens`
  std::string_view right;
};

// All spans have one entry a token; normal[id] != 0 says that the token takes part. ids: token ->
// id.
std::vector<Merge> MergesOfPieces(std::span<const std::string_view> tokens,
                                  std::span<const uint8_t> normal, std::span<const double> scores,
                                  const std::unordered_map<std::string_view, uint32_t>& ids);

}  // namespace axsim::build
