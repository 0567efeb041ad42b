// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_CHANNEL_SERVER_IPP
#define PORTUNUS_CHANNEL_IMPL_CHANNEL_SERVER_IPP

#include <portunus/channel/channel_server.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <list>
#include <mutex>
#include <vector>

namespace portunus {
namespace detail {

/// What all sessions of a server share.
class channel_server_state : public std::enable_shared_from_this<channel_server_state> {
  public:
    using pointer = std::shared_ptr<channel_server_state>;

    channel_server_state(channel_server_options o, channel_setup setup, channel_conversation talk)
        : channel_(std::make_shared<const channel_options>(std::move(o.channel))),
          secure_(std::move(o.secure)), setup_(std::move(setup)), talk_(std::move(talk)),
          when_slow_(o.when_slow) {}

    static awaitable<void> serve(pointer s, tcp_stream peer, peer_info who);
    void broadcast(message what, std::function<bool(const channel_session&)> whom);
    channel_server_counters counters() const;

  private:
    struct present {
        std::weak_ptr<channel_core> core;
        boost::asio::any_io_executor executor;
        peer_info who;
    };
    /// A session's place in the list.
    class seat {
      public:
        seat(pointer s, const std::shared_ptr<channel_core>& core, const peer_info& who)
            : server_(std::move(s)) {
            const std::lock_guard lock(server_->mutex_);
            server_->present_.push_back({core, core->executor(), who});
            at_ = std::prev(server_->present_.end());
        }
        seat(const seat&) = delete;
        seat& operator=(const seat&) = delete;
        ~seat() {
            const std::lock_guard lock(server_->mutex_);
            server_->present_.erase(at_);
        }

      private:
        pointer server_;
        std::list<present>::iterator at_;
    };

    static awaitable<void> talk(pointer s, std::shared_ptr<channel> handle, peer_info who);
    void push(channel_core& core, const peer_info& who, const message& what,
              const std::function<bool(const channel_session&)>& whom);

    std::shared_ptr<const channel_options> channel_;
    std::function<awaitable<result<any_stream>>(tcp_stream)> secure_;
    channel_setup setup_;
    channel_conversation talk_;
    slow_peer when_slow_;
    mutable std::mutex mutex_; // guards present_
    std::list<present> present_;
    std::atomic<std::uint64_t> sessions_{0}, insecure_{0}, broadcast_{0}, skipped_{0}, cut_off_{0};
};

PORTUNUS_DECL awaitable<void> channel_server_state::serve(pointer s, tcp_stream peer, peer_info who) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    any_stream stream;
    if (s->secure_) {
        auto opening = s->secure_(std::move(peer));
        auto secure = co_await std::move(opening);
        if (!secure) {
            s->insecure_.fetch_add(1, std::memory_order_relaxed);
            s->channel_->log(log_level::info, "a peer of a channel server could not be secured",
                             {{"peer", to_string(who.remote)}, {"why", secure.error().message()}});
            co_return;
        }
        stream = std::move(*secure);
    } else {
        stream = any_stream(std::move(peer));
    }
    const auto executor = stream.get_executor();
    const auto core = std::make_shared<channel_core>(executor, channel_role::server, s->channel_, false);
    core->attach(std::move(stream));
    const auto handle = std::make_shared<channel>(core);
    if (s->setup_) s->setup_(*handle, who);
    s->sessions_.fetch_add(1, std::memory_order_relaxed);
    if (s->talk_) core->tasks().spawn(talk(s, handle, who));
    const seat place(s, core, who);
    error why = co_await channel_core::run(core);
    core->close_for_good(why);
    core->cut(errc::canceled, true);
}

PORTUNUS_DECL awaitable<void> channel_server_state::talk(pointer s, std::shared_ptr<channel> handle,
                                                         peer_info who) {
    auto body = s->talk_(*handle, who);
    co_await std::move(body);
}

PORTUNUS_DECL void channel_server_state::push(channel_core& core, const peer_info& who, const message& what,
                                              const std::function<bool(const channel_session&)>& whom) {
    if (core.phase() != channel_phase::established) return;
    const std::string_view proved = core.auth() ? core.auth()->peer_name() : std::string_view();
    if (whom && !whom(channel_session{who, core.name(), proved})) return;
    const auto sent = core.push(what);
    if (sent) {
        broadcast_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    skipped_.fetch_add(1, std::memory_order_relaxed);
    if (when_slow_ != slow_peer::close || !(sent.error() == errc::queue_full)) return;
    cut_off_.fetch_add(1, std::memory_order_relaxed);
    core.end(sent.error(), false);
}

PORTUNUS_DECL void channel_server_state::broadcast(message what,
                                                   std::function<bool(const channel_session&)> whom) {
    struct job {
        message what;
        std::function<bool(const channel_session&)> whom;
    };
    const auto shared = std::make_shared<const job>(job{std::move(what), std::move(whom)});
    const std::lock_guard lock(mutex_);
    for (const present& one : present_)
        boost::asio::post(one.executor, [self = shared_from_this(), core = one.core, who = one.who, shared] {
            if (const auto alive = core.lock()) self->push(*alive, who, shared->what, shared->whom);
        });
}

PORTUNUS_DECL channel_server_counters channel_server_state::counters() const {
    channel_server_counters now;
    now.sessions = sessions_;
    now.insecure = insecure_;
    now.broadcast = broadcast_;
    now.skipped = skipped_;
    now.cut_off = cut_off_;
    const std::lock_guard lock(mutex_);
    now.present = present_.size();
    return now;
}

} // namespace detail

PORTUNUS_DECL void channel_server::broadcast(message what,
                                             std::function<bool(const channel_session&)> whom) const {
    state_->broadcast(std::move(what), std::move(whom));
}
PORTUNUS_DECL channel_server_counters channel_server::counters() const {
    return state_->counters();
}

PORTUNUS_DECL channel_server open_channel_server(runtime& rt, channel_server_options options,
                                                 channel_setup setup, channel_conversation talk) {
    detail::channel_core::check(options.channel, channel_role::server);
    listener_options door = std::move(options.door);
    const auto state =
        std::make_shared<detail::channel_server_state>(std::move(options), std::move(setup), std::move(talk));
    auto opened = rt.listen(std::move(door), [state](tcp_stream peer, peer_info who) {
        return detail::channel_server_state::serve(state, std::move(peer), who);
    });
    return channel_server(std::move(opened), state);
}

} // namespace portunus

#endif
