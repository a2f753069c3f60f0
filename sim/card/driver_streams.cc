// The driver's streams and events.
#include <algorithm>
#include <utility>

#include "sim/card/disturb.h"
#include "sim/card/driver.h"

namespace axsim::card {
namespace {

constexpr axclError kUnknownStream = -1;  // what the vendor's library answers, and for default ones

}  // namespace

void* Driver::AddStream(const std::shared_ptr<Context>& context, std::shared_ptr<WorkQueue> queue,
                        int32_t id) {
  const bool is_default = queue == context->default_queue;
  return streams_.Add(std::make_shared<Stream>(Stream{std::move(queue), context, id, is_default}));
}

axclError Driver::CreateStream(void** handle) {
  const std::lock_guard lock(mutex_);
  const auto context = CurrentContext();
  if (context == nullptr) return AXCL_ERR_CONTEXT_NOT_BOUND;
  if (!context->session->IsUsable()) return AXCL_ERR_STREAM_CREATE;
  const auto queue = context->queues.emplace_back(std::make_shared<WorkQueue>());
  *handle = AddStream(context, queue, ++context->last_stream_id);
  return AXCL_SUCC;
}

axclError Driver::DestroyStream(const void* handle, bool force) {
  const auto stream = streams_.Find(handle);
  // Of two threads that destroy it, one finds it.
  if (stream == nullptr || stream->is_default || streams_.Remove(handle) == nullptr) {
    return AXCL_ERR_STREAM_DESTROY;
  }
  // Until its work is done the context knows of it, so that the end of the session ends the wait.
  if (!force) stream->queue->Drain(-1);
  stream->queue->Close();
  const std::lock_guard lock(mutex_);
  std::erase(stream->context->queues, stream->queue);
  return AXCL_SUCC;
}

axclError Driver::SynchronizeStream(const void* handle, int32_t timeout_ms) {
  const auto stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_default) return kUnknownStream;
  const timing::Costs& costs = stream->context->session->costs;
  const int64_t asked_ns = Turn::Ask(costs);
  const auto waited = stream->queue->Drain(timeout_ms);
  if (costs.timed && waited == WorkQueue::Waited::kDone) {
    // Not later than now: what others queued meanwhile is not waited for.
    const int64_t done_ns =
        std::min(stream->queue->timeline().free_at_ns(), timing::Clock::System().NowNs());
    timing::HostTime::OfThisThread().ArriveAt(std::max(asked_ns + costs.small_call_ns, done_ns));
  }
  switch (waited) {
    case WorkQueue::Waited::kClosed:
      return kUnknownStream;
    case WorkQueue::Waited::kTimeout:
      return AXCL_ERR_STREAM_SYNC_TIMEOUT;
    case WorkQueue::Waited::kDone:
      break;
  }
  return stream->context->session->IsUsable() ? AXCL_SUCC : AXCL_ERR_TASK_EXECUTE_FAIL;
}

axclError Driver::GetDefaultStream(const void* context, void** handle) {
  const auto found = contexts_.Find(context);
  if (found == nullptr) return AXCL_ERR_CONTEXT_NOT_BOUND;
  *handle = found->default_stream;
  return AXCL_SUCC;
}

axclError Driver::Submit(const Stream& stream, Work work) {
  const auto& session = stream.context->session;
  DisturbCall(*session);
  if (!session->IsUsable()) return AXCL_ERR_TASK_EXECUTE_FAIL;
  const int64_t asked_ns = Turn::Ask(session->costs);
  const auto submitted =
      stream.queue->Submit([session, asked_ns, work = std::move(work)](const WorkQueue& queue) {
        if (!session->IsUsable()) return;
        Turn turn(session->costs, queue, TurnKind::kQueued, asked_ns);
        work(*session, turn);
      });
  switch (submitted) {
    case WorkQueue::Submitted::kClosed:
      return kUnknownStream;
    case WorkQueue::Submitted::kNoThread:
      return AXCL_ERR_TASK_NO_MEMORY;
    case WorkQueue::Submitted::kYes:
      break;
  }
  return AXCL_SUCC;
}

void Driver::SynchronizeCards() {
  std::vector<std::shared_ptr<WorkQueue>> queues;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& context : contexts_.All()) {
      queues.insert(queues.end(), context->queues.begin(), context->queues.end());
    }
  }
  for (const auto& queue : queues) queue->Drain(-1);
}

axclError Driver::CreateEvent(void** handle) {
  const std::lock_guard lock(mutex_);
  const auto context = CurrentContext();
  if (context == nullptr) return AXCL_ERR_DEVICE_NO_ACTIVE;
  if (!context->session->IsUsable()) return AXCL_ERR_EVENT_CREATE;
  *handle = events_.Add(std::make_shared<Event>(context->session));
  return AXCL_SUCC;
}

axclError Driver::DestroyEvent(const void* handle) {
  const auto context = CurrentContext();
  if (context == nullptr) return AXCL_ERR_DEVICE_NO_ACTIVE;
  const auto event = events_.Find(handle);
  if (event == nullptr || event->session != context->session || events_.Remove(handle) == nullptr) {
    return AXCL_ERR_EVENT_DESTROY;
  }
  return AXCL_SUCC;
}

axclError Driver::FindEventAndStream(const void* event, const void* stream, axclError code,
                                     std::shared_ptr<Event>* found_event,
                                     std::shared_ptr<Stream>* found_stream) const {
  const auto context = CurrentContext();
  if (context == nullptr) return AXCL_ERR_DEVICE_NO_ACTIVE;
  *found_event = events_.Find(event);
  *found_stream = streams_.Find(stream);
  const bool match = *found_event != nullptr && *found_stream != nullptr &&
                     (*found_event)->session == context->session &&
                     (*found_stream)->context->session == context->session;
  return match ? AXCL_SUCC : code;
}

axclError Driver::RecordEvent(const void* event, const void* stream) {
  std::shared_ptr<Event> found_event;
  std::shared_ptr<Stream> found_stream;
  const axclError code =
      FindEventAndStream(event, stream, AXCL_ERR_EVENT_RECORD, &found_event, &found_stream);
  if (code != AXCL_SUCC) return code;
  const axclError submitted = Submit(*found_stream, [found_event](Session&, Turn& turn) {
    turn.EndAtOnce();
    found_event->Record();
  });
  return submitted == AXCL_SUCC ? AXCL_SUCC : AXCL_ERR_EVENT_RECORD;
}

axclError Driver::StreamWaitEvent(const void* stream, const void* event, int32_t timeout_ms) {
  std::shared_ptr<Event> found_event;
  std::shared_ptr<Stream> found_stream;
  const axclError code =
      FindEventAndStream(event, stream, AXCL_ERR_EVENT_WAIT, &found_event, &found_stream);
  if (code != AXCL_SUCC) return code;
  const axclError submitted = Submit(*found_stream, [found_event, timeout_ms](Session& session,
                                                                              Turn& turn) {
    found_event->Wait(timeout_ms, [&] { return turn.queue().stopping() || !session.IsUsable(); });
    turn.EndAtOnce();
  });
  return submitted == AXCL_SUCC ? AXCL_SUCC : AXCL_ERR_EVENT_WAIT;
}

void Driver::AbandonWork() {
  std::vector<std::shared_ptr<WorkQueue>> queues;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& context : contexts_.All()) {
      queues.insert(queues.end(), context->queues.begin(), context->queues.end());
    }
  }
  for (const auto& queue : queues) queue->Drop();
}

}  // namespace axsim::card
