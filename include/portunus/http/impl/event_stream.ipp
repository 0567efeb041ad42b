// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_EVENT_STREAM_IPP
#define PORTUNUS_HTTP_IMPL_EVENT_STREAM_IPP

#include <portunus/http/event_stream.hpp>

#include <portunus/core/detail/event.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/task_group.hpp>
#include <portunus/http/streaming.hpp>

#include <boost/asio/this_coro.hpp>

#include <exception>
#include <optional>

namespace portunus::http {

struct event_subscription_access {
    static std::shared_ptr<detail::event_mailbox> box(event_subscription& s) { return std::move(s.box_); }
};

namespace detail {

/// Sends what comes into the mailbox, and comments when nothing does. Completes when the mailbox is closed
/// and empty, the client is gone, or its coroutine is cancelled. `settled` is told after each write.
PORTUNUS_DECL awaitable<void> send_events(std::shared_ptr<event_mailbox> box,
                                          steady_clock::duration keep_alive, portunus::detail::event* settled,
                                          bool* in_flight, body_writer& to) {
    constexpr std::size_t enough = 64 * 1024;
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const auto executor = co_await boost::asio::this_coro::executor;
    const auto wake = box->attach(executor);
    struct silence {
        portunus::detail::event* wake;
        bool over;
    } silent{wake.get(), true}; // the first comment takes the head along
    deadline limit(deadline_service::of(executor), &silent, [](void* owner) {
        auto& s = *static_cast<silence*>(owner);
        s.over = true;
        s.wake->notify();
    });
    std::string out;
    for (;;) {
        out.clear();
        if (!box->take(out, enough)) co_return;
        if (out.empty() && silent.over) out = ":\n\n";
        if (portunus::detail::stop_asked(asked) || !to.client_is_there()) co_return;
        if (out.empty()) {
            co_await wake->wait_op();
            continue;
        }
        if (in_flight) *in_flight = true;
        auto sent = co_await to.write(out);
        if (sent) sent = co_await to.flush();
        if (in_flight) *in_flight = false;
        if (settled) settled->notify();
        if (!sent) co_return;
        silent.over = false;
        if (keep_alive > steady_clock::duration::zero()) limit.arm(keep_alive);
    }
}

/// What a function that writes and the coroutine that sends have in common. It belongs to one context.
struct event_writer_state : std::enable_shared_from_this<event_writer_state> {
    event_writer_state(const boost::asio::any_io_executor& executor, std::string id)
        : box(std::make_shared<event_mailbox>(1, slow_client::disconnected)), settled(executor),
          last_id(std::move(id)) {}

    /// Runs the function, beside what sends. Holds the state, as the function may outlive the stream by
    /// a moment.
    static awaitable<void> produce(std::shared_ptr<event_writer_state> s,
                                   std::shared_ptr<const event_function> write) {
        event_writer to(*s);
        try {
            co_await (*write)(to);
        } catch (...) {
            s->thrown = std::current_exception();
        }
        s->box->close();
    }

    static awaitable<void> run(std::shared_ptr<const event_function> write, std::string id,
                               steady_clock::duration keep_alive, body_writer& to) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
        auto s = std::make_shared<event_writer_state>(executor, std::move(id));
        task_group beside(executor);
        auto producing = produce(s, std::move(write));
        beside.spawn(std::move(producing));
        auto sending = send_events(s->box, keep_alive, &s->settled, &s->in_flight, to);
        co_await std::move(sending);
        s->over = true;
        s->box->close();
        s->settled.notify();
        auto joined = co_await beside.stop(steady_clock::duration::zero());
        (void)joined;
        if (s->thrown && to.client_is_there()) std::rethrow_exception(s->thrown);
    }

    /// Hands a text over, and waits until it has left.
    static awaitable<result<void>> deliver(std::shared_ptr<event_writer_state> s, event_mailbox::text text) {
        if (s->delivering)
            co_return error(errc::operation_in_progress, "another event of this stream is being sent");
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        s->delivering = true;
        bool queued = false;
        while (!s->over) {
            // What is there before is an event whose sender was cancelled.
            if (!queued && s->box->empty()) {
                s->box->put(std::move(text));
                queued = true;
            }
            if (queued && !s->in_flight && s->box->empty()) break;
            if (portunus::detail::stop_asked(asked)) break;
            co_await s->settled.wait_op();
        }
        s->delivering = false;
        if (s->over) co_return errc::end_of_stream;
        if (!queued || s->in_flight || !s->box->empty()) co_return errc::canceled;
        co_return result<void>();
    }

    std::shared_ptr<event_mailbox> box;
    portunus::detail::event settled;
    std::string last_id;
    std::exception_ptr thrown;
    bool in_flight = false;
    bool delivering = false;
    bool over = false; // the stream is: nobody sends any more
};

/// The two functions of streams, as objects that can be copied.
struct subscription_body {
    std::shared_ptr<event_mailbox> box;
    steady_clock::duration keep_alive;

    static awaitable<void> run(std::shared_ptr<event_mailbox> b, steady_clock::duration keep_alive,
                               body_writer& to) {
        auto sending = send_events(b, keep_alive, nullptr, nullptr, to);
        co_await std::move(sending);
        b->close(); // nobody listens any more
    }
    awaitable<void> operator()(body_writer& to) const { return run(box, keep_alive, to); }
};
struct event_function_body {
    std::shared_ptr<const event_function> write;
    std::string last_id;
    steady_clock::duration keep_alive;

    awaitable<void> operator()(body_writer& to) const {
        return event_writer_state::run(write, last_id, keep_alive, to);
    }
};

PORTUNUS_DECL response stream_of_events(body_function write) {
    response r = streamed(media::events, std::move(write));
    r.add(field::cache_control, "no-store");
    return r;
}

} // namespace detail

PORTUNUS_DECL awaitable<result<void>> event_writer::send(const event& e) {
    return detail::event_writer_state::deliver(state_.shared_from_this(),
                                               std::make_shared<const std::string>(event_text(e)));
}
PORTUNUS_DECL std::string_view event_writer::last_event_id() const noexcept {
    return state_.last_id;
}
PORTUNUS_DECL bool event_writer::client_is_there() const {
    return !state_.over && !state_.box->closed();
}

PORTUNUS_DECL response event_stream(const request&, event_subscription from, event_stream_options options) {
    return detail::stream_of_events(
        detail::subscription_body{event_subscription_access::box(from), options.keep_alive});
}
PORTUNUS_DECL response event_stream(const request& asked, event_function write,
                                    event_stream_options options) {
    return detail::stream_of_events(detail::event_function_body{
        std::make_shared<const event_function>(std::move(write)),
        std::string(asked.find("Last-Event-ID").value_or("")), options.keep_alive});
}

} // namespace portunus::http

#endif
