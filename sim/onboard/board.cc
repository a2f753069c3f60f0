#include "sim/onboard/board.h"

#include <mutex>
#include <utility>
#include <vector>

#include "abi/ax_sys.h"
#include "base/log.h"
#include "sim/card/engine.h"

namespace axsim::onboard {

using card::Driver;

Board& Board::Get() {
  static auto* board = new Board;
  return *board;
}

int32_t Board::Open() {
  static std::once_flag once;
  std::call_once(once, [] { axollama::log::Init("axsim"); });
  const std::lock_guard lock(mutex_);
  if (opens_ > 0) {
    ++opens_;
    return AX_SUCCESS;
  }
  Driver& driver = Driver::Get();
  if (driver.Init("") != AXCL_SUCC) return AX_ERR_CMM_NOTREADY;
  std::vector<int32_t> ids;
  if (driver.ListCards(&ids) == AXCL_SUCC && !ids.empty() &&
      driver.SetDevice(ids.front()) == AXCL_SUCC) {
    context_ = driver.CurrentContext();
  }
  if (context_ == nullptr) {
    bool last = false;
    driver.Finalize(&last);
    return AX_ERR_CMM_NOTREADY;
  }
  card_id_ = ids.front();
  opens_ = 1;
  return AX_SUCCESS;
}

int32_t Board::Close() {
  const std::lock_guard lock(mutex_);
  if (opens_ == 0) return AX_ERR_CMM_NOTREADY;
  if (--opens_ > 0) return AX_SUCCESS;
  context_.reset();
  blocks.store(0);
  Driver::Get().ResetDevice(card_id_);
  bool last = false;
  Driver::Get().Finalize(&last);
  card::Engine::Get().Shutdown();
  return AX_SUCCESS;
}

std::shared_ptr<card::Context> Board::context() const {
  const std::lock_guard lock(mutex_);
  const bool usable = context_ != nullptr && context_->session->IsUsable();
  return usable ? context_ : nullptr;
}

}  // namespace axsim::onboard
