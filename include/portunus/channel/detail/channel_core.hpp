// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_CHANNEL_CORE_HPP
#define PORTUNUS_CHANNEL_DETAIL_CHANNEL_CORE_HPP

#include <portunus/channel/channel_handler.hpp>
#include <portunus/channel/channel_name.hpp>
#include <portunus/channel/channel_options.hpp>
#include <portunus/channel/channel_phase.hpp>
#include <portunus/channel/channel_wire.hpp>
#include <portunus/channel/dispatch_table.hpp>
#include <portunus/channel/ordered_handlers.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/event_queue.hpp>
#include <portunus/core/task_group.hpp>
#include <portunus/json/write.hpp>
#include <portunus/net/any_stream.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// \file
/// What a channel is: a connection at a time (`impl/channel_core.ipp`), and what is asked of it
/// (`../impl/channel.ipp`).

namespace portunus {
namespace detail {

/// A request, or a message, on its way: what the coroutine that waits for it and the channel share. Taken
/// from a pool of the channel, so that its texts and its timer are made once.
class channel_call : public boost::intrusive_ref_counter<channel_call, boost::thread_unsafe_counter> {
  public:
    using time_point = steady_clock::time_point;
    enum class stage : std::uint8_t { unused, parked, in_flight, done };

    explicit channel_call(const boost::asio::any_io_executor& executor) : changed(executor) {}

    event changed;
    message asked;
    message answer;
    error failed; ///< of one that is done
    time_point ends{};
    pending_handle handle{};
    request_options how{};
    stage at = stage::unused;
    bool wants_answer = true;
};
using call_ptr = boost::intrusive_ptr<channel_call>;

/// What a channel is. The handle drops it; the coroutines that work for it hold it.
class channel_core final : public message_sink, public std::enable_shared_from_this<channel_core> {
  public:
    using pointer = std::shared_ptr<channel_core>;
    using time_point = steady_clock::time_point;

    /// `lasting`: it outlives its connections (`channel_client`).
    channel_core(const boost::asio::any_io_executor& executor, channel_role role,
                 std::shared_ptr<const channel_options> options, bool lasting);

    /// Throws `failure` for options that contradict.
    static void check(const channel_options& options, channel_role role);

    // one connection

    void attach(any_stream stream);
    /// Serves the attached connection to its end; the reason.
    static awaitable<error> run(pointer self);
    static awaitable<void> run_alone(pointer self);
    void start_alone() { tasks_.spawn(run_alone(shared_from_this())); }

    // requests

    call_ptr prepare(service_id service, data_id id, const request_options& how, bool wants_answer);
    template <data_point Point>
    call_ptr prepare(const Point& point, const typename Point::request_type& value,
                     const request_options& how) {
        call_ptr call = prepare(point.service, point.id, how, true);
        call->asked.data.clear();
        auto written = json::write(call->asked.data, value);
        if (!written) call->failed = written.error();
        return call;
    }
    void begin(channel_call& call);
    /// Whether the one who waits has what he waits for.
    bool is_over(channel_call& call, const boost::asio::cancellation_state& asked);
    /// Nobody waits any more.
    void leave(call_ptr call) noexcept;

    static awaitable<result<message>> ask(pointer self, call_ptr call);
    static awaitable<result<void>> tell(pointer self, call_ptr call);
    template <data_point Point>
    static awaitable<reply_result<Point>> ask_typed(pointer self, call_ptr call, Point point);

    static awaitable<result<message>> receive(pointer self, service_id service, data_id id,
                                              steady_clock::duration limit);
    static awaitable<result<void>> authenticate(pointer self);
    static awaitable<result<void>> wait_established(pointer self, steady_clock::duration limit);
    static awaitable<error> wait_closed(pointer self);
    static awaitable<result<channel_event>> next_event(pointer self);
    static awaitable<result<void>> close(pointer self, steady_clock::duration limit);

    /// Sends a message that nobody asked for, unless it has no room or the channel is not established.
    result<void> push(const message_view& m);

    /// Everything ends now, for good.
    void cut(const error& why, bool dropped) noexcept;
    /// Ends the connection that stands.
    void end(error why, bool orderly) noexcept;

    // message_sink
    bool wants_more() const noexcept override;
    void take(const message_view& m) override;
    void damaged(const error& why, const result<message_view>& numbers) override;

    channel_phase phase() const noexcept { return phase_; }
    bool is_closed() const noexcept { return phase_ == channel_phase::closed; }
    void close_for_good(const error& why);
    bool is_stopping() const noexcept { return stopping_; }
    channel_counters counters() const noexcept;
    const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
    any_stream& stream() noexcept { return stream_; }
    auth_machine* auth() const noexcept { return auth_.get(); }
    const error& auth_failure() const noexcept { return auth_failure_; }
    const std::string& name() const noexcept { return name_.name(); }
    const channel_options& options() const noexcept { return *options_; }
    dispatch_table<handler_ptr>& handlers() noexcept { return handlers_; }
    task_group& tasks() noexcept { return tasks_; }

    std::function<void()> on_stop; ///< `close` and `cut` tell whoever makes the connections

    /// Never an id of a program: what a server reads to see whether its client is alive.
    static constexpr data_id sign_of_life{0xFFFFFFFF};

  private:
    struct queued {
        handler_ptr handler;
        message request;
        std::optional<service_id> response;
    };
    using stage = channel_call::stage;

    void begin_link();
    bool step();
    boost::asio::mutable_buffer room();
    void heard(const result<std::size_t>& got, bool stop);
    bool busy() const noexcept { return out_.size() != 0 || running_ != 0 || held_; }
    void end_link();

    void perform(auth_step step);
    void update_phase();
    void set_phase(channel_phase p, const error& cause);
    bool may_send(const channel_call& call) const noexcept;
    void transmit(channel_call& call);
    void send_parked();
    void finish(channel_call& call, error why) noexcept;
    void fail_all(const error& why) noexcept;
    void put(const message_view& m);
    void answer(service_id response, data_id id, message_status status);
    void run_plain(message_handler& h, const message_view& m, std::optional<service_id> response);
    void run_waiting(queued work);
    static awaitable<void> serve(pointer self, queued work);
    void handler_done(std::uint64_t link, const queued& work, handled how, std::string& json);
    void note(const handled& how, const message_view& request);
    void leave_unhandled(const message_view& m, std::optional<service_id> response);

    void flush_soon();
    void flush();
    static awaitable<void> write_rest(pointer self);

    void arm_for(time_point when);
    void tick();
    void keep_alive();

    boost::asio::any_io_executor executor_;
    deadline_service& time_;
    std::shared_ptr<const channel_options> options_;
    any_stream stream_;
    std::unique_ptr<channel_wire> wire_;
    output_queue out_;
    pending_requests<call_ptr> pending_;
    std::deque<call_ptr> parked_;
    std::vector<call_ptr> unused_;
    dispatch_table<handler_ptr> handlers_;
    unhandled_buffer unhandled_;
    ordered_handlers<queued> order_;
    std::optional<queued> held_; ///< had no place among the handlers: nothing is read before it has
    std::unique_ptr<auth_machine> auth_;
    channel_name name_;
    event changed_; ///< the phase, the output, the handlers
    event arrived_; ///< a message for `receive`
    event_queue<channel_event> events_;
    task_group tasks_;
    deadline timer_;
    time_point armed_for_ = time_point::max();
    time_point next_look_{};
    error end_reason_;
    error auth_failure_;
    error over_;
    std::string plain_; ///< what a handler says that has nobody to say it to
    channel_counters counts_;
    std::uint64_t missed_events_ = 0;
    std::size_t running_ = 0; ///< handlers of this connection that are coroutines
    channel_phase phase_ = channel_phase::down;
    const channel_role role_;
    const bool lasting_;
    bool up_ = false;
    bool trusted_ = false;
    bool ended_ = false;
    bool orderly_ = false;
    bool dropped_ = false;
    bool stopping_ = false;
    bool pumping_ = false;
    bool writing_ = false;
    bool flush_posted_ = false;
    bool heard_ = false;
    bool asked_for_life_ = false;
};

/// A limit of one wait, for as long as it takes.
struct call_limit {
    call_limit(deadline_service& time, event& wake, steady_clock::duration after)
        : wake_(wake), timer_(time, this, [](void* self) {
              static_cast<call_limit*>(self)->passed = true;
              static_cast<call_limit*>(self)->wake_.notify();
          }) {
        if (after != steady_clock::duration::max()) timer_.arm(after);
    }
    bool passed = false;

  private:
    event& wake_;
    deadline timer_;
};

inline std::string limit_text(steady_clock::duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + " ms";
}

/// A call's stay with a channel; ends with the coroutine's frame, however that ends.
class call_stay {
  public:
    call_stay(channel_core& core, const call_ptr& call) : core_(core), call_(call) { core_.begin(*call_); }
    call_stay(const call_stay&) = delete;
    call_stay& operator=(const call_stay&) = delete;
    ~call_stay() { core_.leave(call_); }

  private:
    channel_core& core_;
    call_ptr call_;
};

template <data_point Point>
awaitable<reply_result<Point>> channel_core::ask_typed(pointer self, call_ptr call, Point point) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const call_stay stay(*self, call);
    while (!self->is_over(*call, asked)) co_await call->changed.wait_op();
    if (call->failed.code().failed()) co_return call->failed;
    if constexpr (std::same_as<reply_result<Point>, result<void>>) {
        auto done = decode_reply(point, call->answer.view());
        if (!done) co_return done.error();
        co_return result<void>();
    } else {
        co_return decode_reply(point, call->answer.view());
    }
}

} // namespace detail
} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/channel/detail/impl/channel_core.ipp>
#endif

#endif
