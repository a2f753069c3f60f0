#include "sim/control/control.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace axsim::control {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
namespace json = axollama::json;

uint64_t Mib(uint64_t bytes) { return bytes >> 20; }

std::string_view StateOf(const faults::Board& board) {
  if (board.IsGone()) return "disconnected";
  if (board.IsDeaf()) return "unreachable";
  return board.NeedsReboot() ? "needs_reboot" : "ok";
}

std::string Many(uint64_t count, std::string_view what, std::string_view plural) {
  return fmt::format("{} {}", count, count == 1 ? what : plural);
}

}  // namespace

Result<Machine> Machine::Open() {
  AX_ASSIGN_OR_RETURN(const config::Config config, config::Load(""));
  if (config.cards.empty()) {
    return Fail(ErrorKind::kNotFound, "AXSIM_CONFIG configures a machine without cards");
  }
  AX_ASSIGN_OR_RETURN(const std::filesystem::path folder, config::StateFolder());
  std::vector<Card> cards;
  for (const config::Card& configured : config.cards) {
    Card& card = cards.emplace_back();
    card.config = configured;
    AX_ASSIGN_OR_RETURN(card.books, card::Books::Open(folder, configured));
    AX_ASSIGN_OR_RETURN(card.board, faults::Board::Open(folder, configured.id, configured.faults));
  }
  return Machine(std::move(cards));
}

Result<Machine::Card*> Machine::Find(std::optional<int32_t> card_id) {
  if (!card_id) return &cards_.front();
  std::vector<int32_t> ids;
  for (Card& card : cards_) {
    ids.push_back(card.board->visible_id());
    if (ids.back() == *card_id) return &card;
  }
  return Fail(ErrorKind::kNotFound,
              fmt::format("no card has the id {}: there is {}", *card_id, fmt::join(ids, ", ")));
}

Result<int32_t> Machine::Give(std::optional<int32_t> card_id, const faults::Fault& fault) {
  AX_ASSIGN_OR_RETURN(Card* const card, Find(card_id));
  AX_RETURN_IF_ERROR(card->board->Add(fault));
  return card->board->visible_id();
}

json::Object Machine::Status() {
  json::Array cards;
  for (Card& card : cards_) {
    json::Array holders;
    for (const auto& holder : card.books->Holders()) {
      holders.push_back(
          json::Object{{"pid", holder.pid}, {"bytes", holder.bytes}, {"alive", holder.alive}});
    }
    json::Array faults;
    for (const auto& entry : card.board->List()) {
      json::Object fault = faults::ToJson(entry.fault);
      fault["configured"] = entry.configured;
      fault["calls"] = entry.calls;
      fault["fired"] = entry.fired;
      faults.push_back(std::move(fault));
    }
    cards.push_back(json::Object{{"id", card.board->visible_id()},
                                 {"configured_id", card.config.id},
                                 {"state", StateOf(*card.board)},
                                 {"cmm_total_bytes", card.books->total_bytes()},
                                 {"cmm_used_bytes", card.books->used_bytes()},
                                 {"holders", std::move(holders)},
                                 {"faults", std::move(faults)}});
  }
  return json::Object{{"cards", std::move(cards)}};
}

std::string Machine::StatusText() {
  std::string text;
  for (Card& card : cards_) {
    text += fmt::format("card {}: {}, {} of {} MiB in use\n", card.board->visible_id(),
                        StateOf(*card.board), Mib(card.books->used_bytes()), card.config.cmm_mib);
    for (const auto& holder : card.books->Holders()) {
      text += fmt::format("  process {}{}: {} MiB\n", holder.pid,
                          holder.alive ? "" : ", which died", Mib(holder.bytes));
    }
    for (const auto& entry : card.board->List()) {
      text += fmt::format("  fault {}{}: {}, fired {}\n", faults::Describe(entry.fault),
                          entry.configured ? " (configured)" : "",
                          Many(entry.calls, "call", "calls"), Many(entry.fired, "time", "times"));
    }
  }
  return text;
}

Result<std::string> Machine::Reset(std::optional<int32_t> card_id) {
  std::vector<Card*> wanted;
  if (card_id) {
    AX_ASSIGN_OR_RETURN(wanted.emplace_back(), Find(card_id));
  } else {
    for (Card& card : cards_) wanted.push_back(&card);
  }
  std::string text;
  for (Card* const card : wanted) {
    card->board->Reset();
    const uint64_t freed_bytes = card->books->ForgetDead();
    text += fmt::format("card {}: reset", card->board->visible_id());
    if (freed_bytes != 0) text += fmt::format(", {} MiB of dead processes freed", Mib(freed_bytes));
    const auto holders = card->books->Holders();
    if (!holders.empty()) {
      uint64_t kept_bytes = 0;
      for (const auto& holder : holders) kept_bytes += holder.bytes;
      text += fmt::format(", {} still there with {} MiB",
                          Many(holders.size(), "process is", "processes are"), Mib(kept_bytes));
    }
    text += '\n';
  }
  return text;
}

}  // namespace axsim::control
