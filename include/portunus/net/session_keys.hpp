// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_SESSION_KEYS_HPP
#define PORTUNUS_NET_SESSION_KEYS_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace portunus {

namespace detail {
class session_keys_state;
struct key_holder;
} // namespace detail

/// A session's hold on its key. Giving it up, or its destruction, lets the next one have the key: keep it as
/// a local of the session, made before what the next one must not meet.
class session_key {
  public:
    session_key() noexcept = default;
    session_key(session_key&&) noexcept = default;
    session_key& operator=(session_key&& other) noexcept {
        if (this != &other) {
            release();
            holder_ = std::move(other.holder_);
        }
        return *this;
    }
    ~session_key() { release(); }

    explicit operator bool() const noexcept { return holder_ != nullptr; }
    void release() noexcept;

  private:
    friend class detail::session_keys_state;
    explicit session_key(std::shared_ptr<detail::key_holder> holder) noexcept : holder_(std::move(holder)) {}
    std::shared_ptr<detail::key_holder> holder_;
};

/// One session for each key that the program gives, the last one that came: a newcomer with the same key
/// takes the place of the old session.
///
///     awaitable<void> serve_device(tcp_stream stream, session_keys devices) {
///         ... the device says that it is "pump-7", and proves it ...
///         auto key = co_await devices.claim(stream, name);
///         if (!key) co_return;             // an even newer one came, or the old one does not end
///         ...                              // nobody else is "pump-7" now
///     }
///
/// The old session's stream is aborted with `close_reason::replaced`; `claim` completes when the old session
/// has given its `session_key` up, so the two never overlap. Where addresses tell who a peer is, use
/// `listener_options::replace`; where they do not (NAT, DHCP) this is the way.
///
/// A handle; copies share the keys. It may be used from every context of a runtime; a mutex is held for a
/// look-up, once a session. Row T-11 of the semantics, with a key given by the application.
class session_keys {
  public:
    session_keys();

    /// Completes when `stream`'s session has the key. `stream` must stay with the session that holds it.
    ///
    /// Errors: `errc::replaced` when a newer one claims the key meanwhile; `errc::drain_timeout` when the old
    /// session has not ended within `limit` (its stream is aborted all the same); `errc::canceled`;
    /// `errc::not_connected` for a stream without a connection. One claim of the same stream at a time.
    awaitable<result<session_key>> claim(tcp_stream& stream, std::string_view key,
                                         steady_clock::duration limit = std::chrono::seconds(10));

    /// How many keys are held or waited for.
    std::size_t size() const;
    bool contains(std::string_view key) const;

  private:
    std::shared_ptr<detail::session_keys_state> state_;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/session_keys.ipp>
#endif

#endif