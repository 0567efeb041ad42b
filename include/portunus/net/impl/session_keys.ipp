// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_SESSION_KEYS_IPP
#define PORTUNUS_NET_IMPL_SESSION_KEYS_IPP

#include <portunus/net/session_keys.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/post.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {
namespace detail {

/// What a session has on a key. It belongs to the thread of its context, and is destroyed there.
struct key_holder final : private context_bound, public std::enable_shared_from_this<key_holder> {
    key_holder(const boost::asio::any_io_executor& e, tcp_stream_state::pointer s,
               std::shared_ptr<session_keys_state> o, std::string k)
        : context_bound(e), executor(e), changed(e), stream(std::move(s)), owner(std::move(o)),
          key(std::move(k)) {}
    ~key_holder() { release(); }

    void release() noexcept;

    boost::asio::any_io_executor executor;
    event changed;
    tcp_stream_state::pointer stream;
    std::shared_ptr<session_keys_state> owner;
    const std::string key;
    std::uint64_t id = 0; // its turn; 0 before and after

  private:
    // Nothing can be said to a context that is gone: whoever holds a key has to have left by then.
    void release_context() noexcept override { release(); }
};

class session_keys_state final : public std::enable_shared_from_this<session_keys_state> {
  public:
    /// What may be known of a holder elsewhere: never the holder itself, which must be destroyed on its own
    /// thread.
    struct place {
        std::uint64_t id = 0;
        boost::asio::any_io_executor executor;
        std::weak_ptr<key_holder> holder; // locked on its own context only
    };
    struct entry {
        place now;  // who has the key; id 0 for nobody
        place next; // who waits for it
    };

    static awaitable<result<session_key>> claim(std::shared_ptr<session_keys_state> s,
                                                tcp_stream_state::pointer stream, std::string key,
                                                steady_clock::duration limit);

    void enter(const std::shared_ptr<key_holder>& who) {
        const std::lock_guard lock(mutex_);
        who->id = ++last_id_;
        entry& e = entries_[who->key];
        const place mine{who->id, who->executor, who};
        if (e.now.id == 0) {
            e.now = mine;
            return;
        }
        if (e.next.id != 0) tell(e.next, [](key_holder& h) { h.changed.notify(); }); // it was overtaken
        e.next = mine;
        tell(e.now, [](key_holder& h) {
            if (h.stream) h.stream->abort(close_reason::replaced);
        });
    }

    /// Whether the newcomer is now the holder, still waits, or was overtaken.
    enum class standing { holds, waits, overtaken };
    standing standing_of(const std::string& key, std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        const auto e = entries_.find(key);
        if (e != entries_.end() && e->second.now.id == id) return standing::holds;
        if (e != entries_.end() && e->second.next.id == id) return standing::waits;
        return standing::overtaken;
    }

    void leave(const std::string& key, std::uint64_t id) noexcept {
        const std::lock_guard lock(mutex_);
        const auto found = entries_.find(key);
        if (found == entries_.end()) return;
        entry& e = found->second;
        if (e.next.id == id) e.next = {};
        if (e.now.id == id) {
            e.now = std::exchange(e.next, {});
            if (e.now.id != 0) tell(e.now, [](key_holder& h) { h.changed.notify(); });
        }
        if (e.now.id == 0) entries_.erase(found);
    }

    std::size_t size() const {
        const std::lock_guard lock(mutex_);
        return entries_.size();
    }
    bool contains(std::string_view key) const {
        const std::lock_guard lock(mutex_);
        return entries_.find(key) != entries_.end();
    }

  private:
    static void tell(const place& p, void (*what)(key_holder&)) {
        boost::asio::post(p.executor, [holder = p.holder, what] {
            if (const auto h = holder.lock()) what(*h);
        });
    }

    mutable std::mutex mutex_;
    std::map<std::string, entry, std::less<>> entries_;
    std::uint64_t last_id_ = 0;
};

PORTUNUS_DECL void key_holder::release() noexcept {
    if (id != 0) owner->leave(key, std::exchange(id, 0));
    stream.reset();
}

PORTUNUS_DECL awaitable<result<session_key>> session_keys_state::claim(std::shared_ptr<session_keys_state> s,
                                                                       tcp_stream_state::pointer stream,
                                                                       std::string key,
                                                                       steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    if (!stream || !stream->socket || !stream->socket->is_open()) co_return errc::not_connected;
    const auto holder =
        std::make_shared<key_holder>(stream->socket->get_executor(), stream, s, std::move(key));
    session_key mine(holder); // leaves, however this ends
    s->enter(holder);
    struct watch {
        key_holder* holder;
        bool late = false;
    } waiting{holder.get()};
    deadline late(deadline_service::of(holder->executor), &waiting, [](void* self) {
        static_cast<watch*>(self)->late = true;
        static_cast<watch*>(self)->holder->changed.notify();
    });
    for (;;) {
        const standing now = s->standing_of(holder->key, holder->id);
        if (now == standing::holds) co_return std::move(mine);
        if (now == standing::overtaken) {
            stream->abort(close_reason::replaced);
            co_return errc::replaced;
        }
        if (waiting.late)
            co_return error(
                errc::drain_timeout,
                "the session that holds \"" + holder->key + "\" did not end within " +
                    std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
                    " ms");
        if (stop_asked(asked)) co_return errc::canceled;
        if (!late.armed()) late.arm(limit);
        co_await holder->changed.wait_op();
    }
}

} // namespace detail

PORTUNUS_DECL void session_key::release() noexcept {
    if (const auto holder = std::exchange(holder_, nullptr)) holder->release();
}

PORTUNUS_DECL session_keys::session_keys() : state_(std::make_shared<detail::session_keys_state>()) {}
PORTUNUS_DECL awaitable<result<session_key>> session_keys::claim(tcp_stream& stream, std::string_view key,
                                                                 steady_clock::duration limit) {
    return detail::session_keys_state::claim(state_, detail::tcp_stream_state::pointer_of(stream),
                                             std::string(key), limit);
}
PORTUNUS_DECL std::size_t session_keys::size() const {
    return state_->size();
}
PORTUNUS_DECL bool session_keys::contains(std::string_view key) const {
    return state_->contains(key);
}

} // namespace portunus

#endif
