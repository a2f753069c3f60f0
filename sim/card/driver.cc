#include "sim/card/driver.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "sim/card/disturb.h"

namespace axsim::card {
namespace {

constexpr axclError kConfigIllegal = AXCL_CODE(0x06u, 0x03u);
constexpr int32_t kMostIds = 255;  // ids are bus numbers from 1

// What the calling thread is bound to. The context may be gone: check `alive`. The main thread has
// no destructor for it, since programs call from exit handlers, which run after those.
thread_local std::shared_ptr<Context>* binding = nullptr;

struct BindingReaper {
  ~BindingReaper() { delete std::exchange(binding, nullptr); }
};

std::shared_ptr<Context>& CurrentBinding() {
  if (binding == nullptr) {
    binding = new std::shared_ptr<Context>;
    if (gettid() != getpid()) {
      [[maybe_unused]] thread_local BindingReaper reaper;
    }
  }
  return *binding;
}

uint64_t Fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// The same for every process that shares the state folder, however it spells the path.
uint64_t CardUid(const std::filesystem::path& state_folder, int32_t card_id) {
  std::error_code error;
  auto path = std::filesystem::canonical(state_folder, error);
  if (error) path = state_folder;
  return Fnv1a(path.string() + "/" + std::to_string(card_id));
}

// Runs in this process only: a forked child has the queues, but not their workers.
pid_t exit_handler_pid = 0;

void AbandonWorkAtExit() {
  if (getpid() == exit_handler_pid) Driver::Get().AbandonWork();
}

void RegisterExitHandler() {
  if (exit_handler_pid == getpid()) return;
  if (exit_handler_pid == 0) std::atexit(AbandonWorkAtExit);
  exit_handler_pid = getpid();
}

}  // namespace

Driver& Driver::Get() {
  static auto* driver = new Driver;
  return *driver;
}

axclError Driver::Init(std::string_view argument) {
  const std::lock_guard lock(mutex_);
  if (inits_ > 0) {
    ++inits_;
    return AXCL_SUCC;
  }
  const auto fail = [this](axclError code, const std::string& why) {
    axollama::log::Error("axsim", "axclInit: {}", why);
    return init_failure_ = code;
  };
  auto loaded = config::Load(argument);
  if (!loaded) return fail(kConfigIllegal, loaded.error().message);
  config_ = std::move(*loaded);
  if (config_.init_error) return fail(*config_.init_error, "fails as its configuration says");
  if (config_.cards.empty()) return fail(AXCL_ERR_DEVICE_NO_CONNECT, "no card is connected");
  const auto folder = config::StateFolder();
  if (!folder) return fail(AXCL_ERR_DEVICE_OPEN, folder.error().message);

  std::vector<Card> cards;
  for (const config::Card& card : config_.cards) {
    auto books = Books::Open(*folder, card);
    if (!books) return fail(AXCL_ERR_DEVICE_OPEN, books.error().message);
    auto board = faults::Board::Open(*folder, card.id, card.faults);
    if (!board) return fail(AXCL_ERR_DEVICE_OPEN, board.error().message);
    cards.push_back(
        {card, std::move(*books), std::move(*board), nullptr, 0, CardUid(*folder, card.id)});
  }
  if (std::none_of(cards.begin(), cards.end(), IsThere)) {
    return fail(AXCL_ERR_DEVICE_NO_CONNECT, "no card is connected");
  }
  cards_ = std::move(cards);
  init_failure_ = AXCL_SUCC;
  inits_ = 1;
  RegisterExitHandler();
  return AXCL_SUCC;
}

axclError Driver::Finalize(bool* last) {
  *last = false;
  const std::lock_guard lock(mutex_);
  if (inits_ == 0) return AXCL_ERR_DEVICE_NOT_ACTIVE;
  if (--inits_ > 0) return AXCL_SUCC;
  for (Card& card : cards_) Deactivate(&card);
  cards_.clear();
  Bind(nullptr);
  *last = true;
  return AXCL_SUCC;
}

config::Config Driver::config() const {
  const std::lock_guard lock(mutex_);
  return config_;
}

Driver::Card* Driver::FindCard(int32_t card_id, axclError* code) {
  *code = AXCL_ERR_DEVICE_INVALID_ID;
  if (inits_ == 0) {
    *code = init_failure_ != AXCL_SUCC ? init_failure_ : AXCL_ERR_DEVICE_NO_CONNECT;
    return nullptr;
  }
  Card* found = nullptr;
  bool any = false;
  for (Card& card : cards_) {
    if (!IsThere(card)) continue;
    any = true;
    if (card.id() == card_id) found = &card;
  }
  if (!any) *code = AXCL_ERR_DEVICE_NO_CONNECT;
  return found;
}

bool Driver::IsThere(const Card& card) {
  DisturbIdle(*card.faults, *card.books);
  return !card.faults->IsGone();
}

axclError Driver::ListCards(std::vector<int32_t>* ids) const {
  const std::lock_guard lock(mutex_);
  ids->clear();
  if (inits_ == 0) return init_failure_ != AXCL_SUCC ? init_failure_ : AXCL_ERR_DEVICE_NO_CONNECT;
  for (const Card& card : cards_) {
    if (IsThere(card)) ids->push_back(card.id());
  }
  std::sort(ids->begin(), ids->end());
  return ids->empty() ? AXCL_ERR_DEVICE_NO_CONNECT : AXCL_SUCC;
}

bool Driver::ListPids(int32_t card_id, std::vector<uint32_t>* pids) {
  const std::lock_guard lock(mutex_);
  axclError code;
  Card* card = FindCard(card_id, &code);
  if (card == nullptr) return false;
  *pids = card->books->pids();
  return true;
}

std::shared_ptr<Context> Driver::MakeContext(const std::shared_ptr<Session>& session,
                                             bool is_default) {
  auto context = std::make_shared<Context>();
  context->id = next_context_id_++;
  context->is_default = is_default;
  context->session = session;
  context->handle = contexts_.Add(context);
  context->default_stream = AddStream(context, context->default_queue, context->last_stream_id);
  return context;
}

void Driver::Bind(const std::shared_ptr<Context>& context) { CurrentBinding() = context; }

// Makes the card's session if there is none. One that a reboot ended is replaced: whoever calls
// SetDevice afterwards starts afresh, and the old contexts stay unusable.
axclError Driver::Activate(Card* card) {
  if (card->session != nullptr && card->session->IsUsable()) return AXCL_SUCC;
  if (card->session != nullptr) Deactivate(card);
  if (card->faults->IsDeaf() || !card->books->Join()) return AXCL_ERR_DEVICE_PROBE;
  card->session = std::make_shared<Session>(card->id(), card->config.id, card->books, card->faults,
                                            *timing::FindCosts(config_.profile));
  card->session->default_context = MakeContext(card->session, true);
  return AXCL_SUCC;
}

void Driver::Deactivate(Card* card) {
  card->references = 0;
  const auto session = std::exchange(card->session, nullptr);
  if (session == nullptr) return;
  session->active.store(false);
  for (const auto& context : contexts_.All()) {
    if (context->session != session) continue;
    for (const auto& queue : context->queues) queue->Close();
  }
  streams_.RemoveIf(
      [&session](const Stream& stream) { return stream.context->session == session; });
  events_.RemoveIf([&session](const Event& event) { return event.session == session; });
  contexts_.RemoveIf([&session](const Context& context) { return context.session == session; });
  session->default_context.reset();  // it refers back to its session
  {
    const std::lock_guard lock(session->mutex);
    session->models.clear();
  }
  session->memory.Clear();
  card->books->Leave();
}

axclError Driver::SetDevice(int32_t card_id) {
  const std::lock_guard lock(mutex_);
  axclError code;
  Card* card = FindCard(card_id, &code);
  if (card == nullptr) return code;
  code = Activate(card);
  if (code != AXCL_SUCC) return code;
  ++card->references;
  Bind(card->session->default_context);
  return AXCL_SUCC;
}

axclError Driver::ResetDevice(int32_t card_id) {
  const std::lock_guard lock(mutex_);
  axclError code;
  Card* card = FindCard(card_id, &code);
  if (card == nullptr) return code;
  if (card->session == nullptr) return AXCL_ERR_DEVICE_NOT_ACTIVE;
  const auto& current = CurrentBinding();
  if (current != nullptr && current->session == card->session) Bind(nullptr);
  if (card->references > 0) --card->references;
  if (card->references == 0) Deactivate(card);
  return AXCL_SUCC;
}

axclError Driver::Reboot(int32_t card_id) {
  const std::lock_guard lock(mutex_);
  // Also one that is gone: the slot's reset does not need the card.
  const auto card = std::find_if(cards_.begin(), cards_.end(),
                                 [card_id](const Card& its) { return its.id() == card_id; });
  if (card == cards_.end()) {
    axclError code;
    FindCard(card_id, &code);
    return code;
  }
  if (const auto fails = card->faults->Fire(faults::Kind::kRebootFails)) {
    if (fails->fault.code) return *fails->fault.code;
  } else {
    card->faults->Heal();
  }
  card->books->Reboot();
  if (card->faults->Fire(faults::Kind::kReorderIds)) {
    card->faults->SetVisibleId(UnusedId(card_id));
  }
  return AXCL_SUCC;
}

int32_t Driver::UnusedId(int32_t after) const {
  const auto is_used = [this](int32_t id) {
    return std::any_of(cards_.begin(), cards_.end(),
                       [id](const Card& card) { return card.id() == id; });
  };
  int32_t id = after;
  for (int i = 0; i < kMostIds && is_used(id); ++i) id = id % kMostIds + 1;
  return id;
}

axclError Driver::CreateContext(int32_t card_id, void** handle) {
  const std::lock_guard lock(mutex_);
  axclError code;
  Card* card = FindCard(card_id, &code);
  if (card == nullptr) return code;
  const bool was_active = card->session != nullptr && card->session->IsUsable();
  code = Activate(card);
  if (code != AXCL_SUCC) return code;
  if (!was_active) card->references = 1;  // one ResetDevice ends it
  const auto context = MakeContext(card->session, false);
  Bind(context);
  *handle = context->handle;
  return AXCL_SUCC;
}

axclError Driver::DestroyContext(const void* handle) {
  std::vector<std::shared_ptr<WorkQueue>> queues;
  {
    const std::lock_guard lock(mutex_);
    const auto context = contexts_.Find(handle);
    if (context == nullptr || context->is_default) return AXCL_ERR_CONTEXT_DESTROY;
    contexts_.Remove(handle);
    context->alive.store(false);
    streams_.RemoveIf([&context](const Stream& stream) { return stream.context == context; });
    queues = context->queues;
  }
  for (const auto& queue : queues) queue->Close();
  return AXCL_SUCC;
}

axclError Driver::SetCurrentContext(const void* handle) {
  const auto context = contexts_.Find(handle);
  if (context == nullptr) return AXCL_ERR_CONTEXT_BIND_THREAD;
  Bind(context);
  return AXCL_SUCC;
}

axclError Driver::GetDefaultContext(int32_t card_id, void** handle) {
  const std::lock_guard lock(mutex_);
  axclError code;
  Card* card = FindCard(card_id, &code);
  if (card == nullptr) return code;
  if (card->session == nullptr || !card->session->IsUsable()) return AXCL_ERR_DEVICE_NOT_ACTIVE;
  *handle = card->session->default_context->handle;
  return AXCL_SUCC;
}

std::shared_ptr<Context> Driver::CurrentContext() const {
  const auto& current = CurrentBinding();
  const bool usable =
      current != nullptr && current->alive.load() && current->session->active.load();
  return usable ? current : nullptr;
}

}  // namespace axsim::card
