// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_METRICS_HPP
#define PORTUNUS_CORE_METRICS_HPP

#include <portunus/core/close_reason.hpp>
#include <portunus/core/error.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {

/// How many values `close_reason` has.
inline constexpr std::size_t close_reason_count = static_cast<std::size_t>(close_reason::shutdown) + 1;
static_assert(to_string(static_cast<close_reason>(close_reason_count)) == "unknown",
              "a close_reason has been added");

/// A number that one thread increases and any thread may read.
///
/// One writer, so no atomic addition is needed: a load, an addition and a store, which cost what they cost on
/// a plain integer. Where two threads increased it, counts would be lost (and nothing worse); that is why
/// each context has a block of its own.
class counter {
  public:
    void add(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

/// What one context counts about its connections. Written by that context's thread only, read by any.
///
/// A block of its own for each context, on cache lines of its own: a counter that all contexts shared would
/// cost a locked addition for every message, and with several cores a cache line that travels between them.
/// The price is that a reader adds up as many blocks as there are contexts, which happens once in a while.
struct alignas(64) context_counters {
    counter accepted;           ///< connections that were let in: each becomes a session
    counter refused_by_policy;  ///< peers that the policy refused
    counter refused_full;       ///< peers refused because all places were taken
    counter refused_by_address; ///< peers refused because their address held its share
    counter refused_by_rate;    ///< peers refused because their address connects too often
    counter accept_errors;      ///< times that accepting failed: no descriptors, no memory, connection gone
    counter bytes_in;           ///< payload, as the stream delivered it
    counter bytes_out;          ///< payload, as the system took it
    counter messages_in;        ///< complete frames handed to the program
    counter messages_out;       ///< frames that the program queued or wrote
    counter protocol_errors;    ///< what peers sent and a codec refused
    counter queue_full;         ///< times that a bounded queue had no room

    /// A session has ended, for this reason. To be called once for each accepted connection, on any context.
    void closed(close_reason why) noexcept { closed_by_[static_cast<std::size_t>(why)].add(); }
    std::uint64_t closed_by(close_reason why) const noexcept {
        return closed_by_[static_cast<std::size_t>(why)].value();
    }

  private:
    std::array<counter, close_reason_count> closed_by_;
};

/// The sum over all contexts, as plain numbers.
///
/// Every number only grows. They are read one after the other while the program runs on, so they need not fit
/// together to the last connection.
struct metrics_snapshot {
    std::uint64_t accepted = 0;
    std::uint64_t refused_by_policy = 0;
    std::uint64_t refused_full = 0;
    std::uint64_t refused_by_address = 0;
    std::uint64_t refused_by_rate = 0;
    std::uint64_t accept_errors = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t messages_in = 0;
    std::uint64_t messages_out = 0;
    std::uint64_t protocol_errors = 0;
    std::uint64_t queue_full = 0;
    std::array<std::uint64_t, close_reason_count> closed{}; ///< by the number of the `close_reason`

    std::uint64_t closed_by(close_reason why) const noexcept { return closed[static_cast<std::size_t>(why)]; }
    std::uint64_t sessions_closed() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t n : closed) sum += n;
        return sum;
    }
    /// Sessions that are open: those accepted less those closed. Not a counter of its own, so it cannot drift
    /// away.
    std::uint64_t sessions_open() const noexcept {
        const std::uint64_t gone = sessions_closed();
        return accepted > gone ? accepted - gone : 0;
    }
    std::uint64_t refused() const noexcept {
        return refused_by_policy + refused_full + refused_by_address + refused_by_rate;
    }

    /// Adds the numbers of another listener or server.
    metrics_snapshot& operator+=(const metrics_snapshot& other) noexcept;
    friend bool operator==(const metrics_snapshot&, const metrics_snapshot&) = default;
};

/// The counters of one listener or server: a block for each context that serves it.
///
/// A handle: copies are the same counters. The number of contexts is fixed when it is made; there is no
/// registry and no global state, so two servers in one program count apart.
class metrics {
  public:
    /// Throws `failure` with `errc::invalid_option` for a program without contexts.
    explicit metrics(std::size_t contexts = 1)
        : blocks_(std::make_shared<std::vector<context_counters>>(contexts)) {
        if (contexts == 0) throw failure(error(errc::invalid_option, "contexts = 0; allowed: 1 or more"));
    }

    // a moved-from handle would be one of nothing: moving copies
    metrics(const metrics&) noexcept = default;
    metrics& operator=(const metrics&) noexcept = default;

    std::size_t contexts() const noexcept { return blocks_->size(); }

    /// The block of one context, for whoever counts there; it keeps the counters alive. Throws `failure` with
    /// `errc::invalid_option` when there is no such context.
    std::shared_ptr<context_counters> of(std::size_t context) const {
        if (context >= blocks_->size())
            throw failure(error(errc::invalid_option, "counters of context " + std::to_string(context) +
                                                          "; allowed: 0 to " +
                                                          std::to_string(blocks_->size() - 1)));
        return {blocks_, &(*blocks_)[context]};
    }

    /// The sum of all blocks. From any thread, at any time; takes no lock and disturbs nobody.
    metrics_snapshot snapshot() const noexcept;

  private:
    std::shared_ptr<std::vector<context_counters>> blocks_;
};

/// A snapshot and the labels under which it is published, `{{"listener", "7001"}}`.
struct labelled_snapshot {
    metrics_snapshot values;
    std::vector<std::pair<std::string, std::string>> labels;
};

/// The numbers in the text format of Prometheus (`text/plain; version=0.0.4`), names beginning with `prefix`
/// and an underscore; counters end in `_total`.
///
/// All snapshots of a program go into one call: the format wants each metric described once, with all its
/// lines together.
///
/// Label values may hold anything (they are escaped; the format asks for UTF-8). Throws `failure` with
/// `errc::invalid_option`, quoting it, for a prefix that is no metric name; for a label that is no label
/// name, begins with two underscores, is given twice, or is "reason", which the library sets itself; for two
/// snapshots with the same labels.
///
/// Source: prometheus.io/docs/instrumenting/exposition_formats, and .../concepts/data_model for the names.
std::string to_prometheus(std::span<const labelled_snapshot> snapshots, std::string_view prefix = "portunus");

/// The same for one snapshot.
inline std::string to_prometheus(const metrics_snapshot& values, std::string_view prefix = "portunus",
                                 std::vector<std::pair<std::string, std::string>> labels = {}) {
    const labelled_snapshot one{values, std::move(labels)};
    return to_prometheus(std::span(&one, 1), prefix);
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/core/impl/metrics.ipp>
#endif

#endif