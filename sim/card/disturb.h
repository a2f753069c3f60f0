// What faults do to a session's calls: the places where sim/faults takes hold of the card.
//
// Each costs a relaxed load or two when the card has no faults.
// Threads: any. `session` is the caller's, as everywhere in this room.
#pragma once

#include <cstddef>
#include <span>

#include "abi/axcl.h"
#include "sim/card/driver.h"

namespace axsim::card {

// Of a call that reaches the card. The card may be gone afterwards: then the session is not usable.
void DisturbCall(Session& session);
// Of a question about the card outside any session: only faults that wait for a time.
void DisturbIdle(faults::Board& board, Books& books);

// Before a load, in its LoadTurn, and before an execute, in its NpuTurn: AXCL_SUCC, or what the
// call returns instead of being done. A hang is waited for here, until `queue`, whose turn it is,
// is stopped.
axclError DisturbLoad(Session& session);
axclError DisturbExecute(Session& session, const WorkQueue& queue);
// At the end of a load: one that ran beside an execute may have wedged the card.
axclError DisturbLoadEnd(Session& session);
// How many times longer an execute takes than it should; 1 unless the card is slow.
double SlowFactor(const Session& session);
// Where no time is simulated: an execute that began at `begin_ns` takes so many times longer.
void Linger(const Session& session, const WorkQueue& queue, int64_t begin_ns, double factor);

// What a copy brought to the host.
void DisturbRead(const Session& session, std::span<std::byte> host);

}  // namespace axsim::card
