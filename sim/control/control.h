// The simulated machine from outside: its cards as the state folder shows them, whoever uses them.
//
// The cards are those of AXSIM_CONFIG, else the default one; the state folder is AXSIM_STATE's.
// Nothing here is a user of a card: no process has to run, and none is disturbed but by a fault.
// Owner: the caller. Threads: one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "sim/card/books.h"
#include "sim/config/config.h"
#include "sim/faults/board.h"

namespace axsim::control {

class Machine {
 public:
  // The configuration and the state folder that programs started now would have.
  static axollama::Result<Machine> Open();

  // A fault for the card with this id at present; nothing: for the first card. Its id.
  axollama::Result<int32_t> Give(std::optional<int32_t> card_id, const faults::Fault& fault);

  // {"cards":[{"id","configured_id","state","cmm_total_bytes","cmm_used_bytes",
  //            "holders":[{"pid","bytes","alive"}],"faults":[{…,"configured","calls","fired"}]}]}
  // "state" is ok, needs_reboot, unreachable or disconnected.
  axollama::json::Object Status();
  std::string StatusText();

  // Clears run-time faults, arms configured ones anew, heals the card, gives it its first id, and
  // frees what dead processes left. Living ones keep their memory. One line for each card; nothing
  // as id: all cards.
  axollama::Result<std::string> Reset(std::optional<int32_t> card_id);

 private:
  struct Card {
    config::Card config;
    std::unique_ptr<card::Books> books;
    std::unique_ptr<faults::Board> board;
  };
  explicit Machine(std::vector<Card> cards) : cards_(std::move(cards)) {}
  axollama::Result<Card*> Find(std::optional<int32_t> card_id);

  std::vector<Card> cards_;
};

}  // namespace axsim::control
