// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_CONNECTOR_IPP
#define PORTUNUS_NET_IMPL_CONNECTOR_IPP

#include <portunus/net/impl/connector.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/backoff.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/event_queue.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/result.hpp>
#include <portunus/core/task_group.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {
namespace detail {

class connector_state final : public std::enable_shared_from_this<connector_state> {
  public:
    using pointer = std::shared_ptr<connector_state>;

    connector_state(const boost::asio::any_io_executor& e, connector_options o)
        : executor(e), options(std::move(o)), pause(options.retry), events(e, options.max_events), changed(e),
          attempts(e, options.log), rest(deadline_service::of(e), this,
                                         [](void* self) { static_cast<connector_state*>(self)->rested(); }) {
        if (options.host.empty() || options.port == 0)
            throw failure(error(errc::invalid_option, "connector to \"" + options.host + "\" port " +
                                                          std::to_string(options.port) +
                                                          ": a host and a port from 1 on are needed"));
    }

    steady_clock::time_point now() const { return deadline_service::of(executor).now(); }
    std::string where() const { return options.host + ':' + std::to_string(options.port); }

    void enter(link_event e) {
        state = e.state;
        e.missed = std::exchange(missed, 0);
        if (events.size() == events.capacity()) {
            const auto oldest = events.try_pop();
            e.missed += 1 + (oldest ? oldest->missed : 0);
        }
        auto pushed = events.push(std::move(e));
        (void)pushed; // there is room
    }

    /// The stream that was handed out is lost, says whoever asks for the next one. Some rest even when it had
    /// stood for long: everybody else who was connected there has lost his at the same moment.
    void lost() {
        if (std::exchange(handed_out, false)) begin_rest(pause.failed(now()), {});
    }

    void reject(error why) {
        if (!stopped && std::exchange(handed_out, false)) outcome = std::move(why);
    }

    void attempt_failed(error why) {
        last = why;
        const auto delay = pause.failed(now());
        tell_failure(why);
        if (options.max_attempts != 0 && pause.attempts() >= options.max_attempts) {
            pause.reset();
            gave_up = std::move(why);
            enter({.state = link_state::idle, .cause = *gave_up});
            return;
        }
        begin_rest(delay, std::move(why));
    }

    void begin_rest(steady_clock::duration delay, error why) {
        rest.arm(delay);
        enter({.state = link_state::waiting,
               .cause = std::move(why),
               .delay = delay,
               .attempt = pause.attempts()});
    }
    void rested() { changed.notify(); }

    void tell_failure(const error& why) {
        const auto present = now();
        if (row == 0) {
            row_began = told = present;
            options.log(log_level::warning, "cannot connect, will go on trying",
                        {{"to", where()}, {"error", why.message()}});
        } else if (present - told >= options.summary_every) {
            told = present;
            options.log(log_level::warning, "still cannot connect",
                        {{"to", where()},
                         {"attempts", row + 1},
                         {"seconds", seconds_since(row_began)},
                         {"error", why.message()}});
        } else if (options.log.enabled(log_level::debug)) {
            options.log(log_level::debug, "an attempt to connect failed",
                        {{"to", where()}, {"error", why.message()}});
        }
        ++row;
    }
    void tell_success() {
        if (row != 0)
            options.log(log_level::warning, "connected again",
                        {{"to", where()}, {"attempts", row + 1}, {"seconds", seconds_since(row_began)}});
        else if (options.log.enabled(log_level::info))
            options.log(log_level::info, "connected", {{"to", where()}});
        row = 0;
    }
    std::int64_t seconds_since(steady_clock::time_point t) const {
        return std::chrono::duration_cast<std::chrono::seconds>(now() - t).count();
    }

    tcp_stream take() {
        tcp_stream stream = std::move(*arrived);
        arrived.reset();
        pause.succeeded(now());
        since = now();
        handed_out = true;
        last = error();
        ++connections;
        tell_success();
        enter({.state = link_state::connected, .connection = connections, .peer = stream.remote_endpoint()});
        return stream;
    }

    void stop() {
        if (stopped) return;
        stopped = true;
        rest.disarm();
        attempts.cancel();
        arrived.reset();
        enter({.state = link_state::stopped});
        events.close();
        changed.notify();
    }

    void retry_now() {
        pause.reset();
        rest.disarm();
        changed.notify();
    }

    /// One attempt, as a task that `stop` can cancel.
    static awaitable<void> attempt(pointer s) {
        struct mark {
            connector_state& state;
            int thrown = std::uncaught_exceptions();
            ~mark() {
                state.attempting = false;
                if (std::uncaught_exceptions() > thrown) // else it would be tried again without a rest
                    state.outcome.emplace(make_error_code(boost::system::errc::not_enough_memory));
                state.changed.notify();
            }
        } at_end{*s};
        s->enter({.state = link_state::resolving, .attempt = s->pause.attempts()});
        const auto& how = s->options.connect;
        auto found = co_await resolve_addresses(s->options.host, {how.resolve_limit, how.family});
        if (!found) {
            s->keep(std::move(found).error());
            co_return;
        }
        endpoints peers;
        for (const auto& address : *found) peers.emplace_back(address, s->options.port);
        s->enter({.state = link_state::connecting, .attempt = s->pause.attempts()});
        auto stream = co_await connect_any(std::move(peers), how);
        if (!stream)
            s->keep(std::move(stream).error());
        else if (!s->stopped)
            s->arrived.emplace(std::move(*stream));
    }
    void keep(error why) {
        if (!stopped && why != errc::canceled) outcome = std::move(why);
    }

    static awaitable<result<tcp_stream>> next(pointer s);

    boost::asio::any_io_executor executor;
    connector_options options;
    backoff pause;
    event_queue<link_event> events;
    event changed;
    task_group attempts;
    deadline rest;
    std::optional<tcp_stream> arrived; // connected, and not yet taken
    std::optional<error> outcome;      // of an attempt that failed
    std::optional<error> gave_up;
    error last;
    steady_clock::time_point since{}; // the present connection
    steady_clock::time_point row_began{};
    steady_clock::time_point told{};
    std::uint64_t row = 0; // failures that the log has heard of, or counted
    std::uint64_t connections = 0;
    std::uint64_t missed = 0;
    link_state state = link_state::idle;
    bool handed_out = false;
    bool asking = false;     // somebody waits in next()
    bool attempting = false; // a task is under way
    bool stopped = false;
};

PORTUNUS_DECL awaitable<result<tcp_stream>> connector_state::next(pointer s) {
    if (s->asking) co_return error(errc::operation_in_progress, "another coroutine already waits in next()");
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    struct mark {
        connector_state& state;
        ~mark() { state.asking = false; }
    } here{*s};
    s->asking = true;
    if (!s->stopped && !stop_asked(asked)) s->lost();
    for (;;) {
        if (s->stopped) co_return errc::closed_locally;
        if (s->arrived) co_return s->take();
        if (stop_asked(asked)) {
            s->attempts.cancel(); // nobody waits for it any more
            if (!s->rest.armed()) s->enter({.state = link_state::idle});
            co_return errc::canceled;
        }
        if (s->outcome) s->attempt_failed(*std::exchange(s->outcome, std::nullopt));
        if (s->gave_up) co_return *std::exchange(s->gave_up, std::nullopt);
        if (!s->rest.armed() && !s->attempting) s->attempting = s->attempts.spawn(attempt(s));
        co_await s->changed.wait_op();
    }
}

} // namespace detail

PORTUNUS_DECL std::string_view to_string(link_state s) noexcept {
    switch (s) {
    case link_state::idle:
        return "idle";
    case link_state::resolving:
        return "resolving";
    case link_state::connecting:
        return "connecting";
    case link_state::connected:
        return "connected";
    case link_state::waiting:
        return "waiting";
    case link_state::stopped:
        return "stopped";
    }
    return "unknown";
}

PORTUNUS_DECL connector::connector(const boost::asio::any_io_executor& executor, connector_options options)
    : state_(std::make_shared<detail::connector_state>(executor, std::move(options))) {}
PORTUNUS_DECL connector& connector::operator=(connector&& other) noexcept {
    if (this != &other) {
        if (state_) state_->stop();
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL connector::~connector() {
    if (state_) state_->stop();
}
PORTUNUS_DECL awaitable<result<tcp_stream>> connector::next() {
    return state_ ? detail::connector_state::next(state_) : detail::no_connector<tcp_stream>();
}
PORTUNUS_DECL awaitable<result<link_event>> connector::next_event() {
    return state_ ? state_->events.pop() : detail::no_connector<link_event>();
}
PORTUNUS_DECL void connector::reject(error why) {
    if (state_) state_->reject(std::move(why));
}
PORTUNUS_DECL void connector::stop() {
    if (state_) state_->stop();
}
PORTUNUS_DECL void connector::retry_now() {
    if (state_) state_->retry_now();
}
PORTUNUS_DECL link_state connector::state() const noexcept {
    return state_->state;
}
PORTUNUS_DECL std::uint32_t connector::failed_attempts() const noexcept {
    return state_->pause.attempts();
}
PORTUNUS_DECL std::uint64_t connector::connections() const noexcept {
    return state_->connections;
}
PORTUNUS_DECL error connector::last_error() const {
    return state_->last;
}
PORTUNUS_DECL const connector_options& connector::options() const noexcept {
    return state_->options;
}

} // namespace portunus

#endif
