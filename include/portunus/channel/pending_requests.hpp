// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_PENDING_REQUESTS_HPP
#define PORTUNUS_CHANNEL_PENDING_REQUESTS_HPP

#include <portunus/channel/detail/keyed_queues.hpp>
#include <portunus/channel/message.hpp>
#include <portunus/core/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

namespace portunus {

struct pending_limits {
    /// Requests in flight, with those that nobody waits for any more but whose answers may still come. 1 to
    /// 10^6.
    std::size_t most = 1024;
    /// How long the late answer of a request that ended without one is waited for. Longer than any peer
    /// takes: when a later one is taken for another request's answer, that request gets the wrong data.
    std::chrono::milliseconds forget_after{60'000};
};
static_assert(std::is_trivially_destructible_v<pending_limits>);

/// Which request it is; good until it has ended, and harmless afterwards.
struct pending_handle {
    std::uint32_t slot = 0xFFFFFFFF;
    std::uint64_t serial = 0;
};

enum class answer_kind {
    expected,   ///< the oldest request of this response is answered
    late,       ///< its request had timed out or was cancelled
    unexpected, ///< nobody had asked
};

/// Requests in flight, matched with their answers.
///
/// Messages carry no request numbers. An answer belongs to the oldest request with its response number and
/// its data id, as a server answers those in order. A request that has timed out or was cancelled stays in
/// its queue as a tombstone, so that its late answer is not taken for the next one's.
///
/// What cannot be told apart is an answer that is late from one that never comes. When a peer loses one, the
/// next answer is taken for it, that request times out, and so on with each later one. The number of `misses`
/// shows that: requests of one kind in a row that ended without their answer. At two or three of them close
/// the connection; on a new one there are no old answers. A tombstone is also forgotten after `forget_after`.
///
/// `Payload` is whatever completes a request; moved, never copied. Bounded, and without allocation once it
/// has grown to what is used. A plain value for one thread; it reads no clock. Every operation is O(1), or
/// O(log n) where deadlines are concerned.
template <class Payload>
class pending_requests {
    static_assert(std::is_nothrow_move_constructible_v<Payload>);

  public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit pending_requests(const pending_limits& limits = {});

    /// A request that is about to be sent. `errc::queue_full` with the numbers, and after `close` the reason
    /// of that; then `payload` is as it was.
    result<pending_handle> add(service_id response, data_id id, time_point deadline, Payload&& payload);

    struct answer {
        answer_kind kind = answer_kind::unexpected;
        std::optional<Payload> payload{}; ///< where it was expected
    };
    /// An answer came.
    answer take(service_id response, data_id id) noexcept;

    /// Nobody waits any more. The payload, or nothing when the request has ended already.
    std::optional<Payload> cancel(const pending_handle& which, time_point now) noexcept;
    /// The same for a request that was never sent: no answer will come.
    std::optional<Payload> withdraw(const pending_handle& which) noexcept;

    struct expired {
        Payload payload;
        service_id response;
        data_id id;
        std::uint32_t misses; ///< how many of this response and data in a row, with this one
    };
    /// One request whose deadline has come, the earliest first; call it until it returns nothing.
    std::optional<expired> expire(time_point now) noexcept;

    /// When `expire` has something to do next.
    std::optional<time_point> next_deadline() const noexcept;

    /// The connection is over: `each(Payload&&, const error&)` for every request that somebody waits for, in
    /// the order of `add`, and every later `add` gives `why`. `each` may call this object.
    template <class Each>
    void close(const error& why, Each&& each);

    /// A new connection: `add` works again.
    void reopen() noexcept { closed_ = {}; }

    /// Those that somebody waits for.
    std::size_t waiting() const noexcept { return waiting_; }
    /// Those whose late answers may still come.
    std::size_t tombstones() const noexcept { return queues_.size() - waiting_; }

    // counted since it was made
    std::uint64_t late() const noexcept { return late_; }
    std::uint64_t unexpected() const noexcept { return unexpected_; }
    std::uint64_t forgotten() const noexcept { return forgotten_; }

  private:
    struct request {
        std::optional<Payload> payload; ///< none: a tombstone
        time_point when;
        std::uint64_t serial;
        std::uint32_t place;  ///< in the heap
        std::uint32_t misses; ///< of the queue, up to here
    };
    using queues = detail::keyed_queues<request>;

    bool waits(const pending_handle& which) const noexcept;
    std::optional<Payload> bury(std::uint32_t at, time_point now) noexcept;
    request remove(std::uint32_t at) noexcept;
    void pass_misses_on(std::uint32_t from) noexcept;

    void put(std::size_t place, std::uint32_t at) noexcept;
    void rise(std::size_t place) noexcept;
    void sink(std::size_t place) noexcept;

    queues queues_;
    std::vector<std::uint32_t> heap_; ///< by `when`, the earliest on top
    std::chrono::milliseconds forget_after_;
    std::size_t most_;
    std::size_t waiting_ = 0;
    std::uint64_t last_serial_ = 0;
    std::uint64_t late_ = 0;
    std::uint64_t unexpected_ = 0;
    std::uint64_t forgotten_ = 0;
    error closed_;
};

} // namespace portunus

#include <portunus/channel/impl/pending_requests.hpp>

#endif
