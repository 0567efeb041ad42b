// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_BACKOFF_HPP
#define PORTUNUS_CORE_BACKOFF_HPP

#include <portunus/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ostream>
#include <random>
#include <string_view>
#include <type_traits>

namespace portunus {

/// How much of a delay is left to chance. `ceiling` is the delay that has grown so far.
///
/// Without chance, everybody who lost the same server at the same moment comes back at the same moment, again
/// and again. Full jitter gives the server the least work of all ways to spread them; equal jitter makes a
/// little more and takes much longer until everybody is served, but never returns at once (Marc Brooker,
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, by simulation). So full is the default.
enum class jitter : unsigned char {
    full,  ///< anywhere from (almost) nothing to the ceiling
    equal, ///< from half of the ceiling up to it: for a peer that needs some rest after each failure
    none,  ///< the ceiling: for waits that concern nobody else, as an accept loop's without descriptors
};

constexpr std::string_view to_string(jitter j) noexcept {
    return j == jitter::full ? "full" : j == jitter::equal ? "equal" : "none";
}
inline std::ostream& operator<<(std::ostream& out, jitter j) {
    return out << to_string(j);
}

/// Checked by the constructor of `backoff`.
struct backoff_options {
    std::chrono::milliseconds first{500};  ///< ceiling of the first delay, 1 ms up to `cap`
    std::chrono::milliseconds cap{30'000}; ///< where the ceiling stops growing, at most 24 h
    double factor = 2.0;                   ///< by how much the ceiling grows with each failure, 1 to 100
    jitter spread = jitter::full;          ///< how much of each delay is chance

    /// How long a connection must have stood for its loss to be news: then the delays begin again with
    /// `first`. A connection that is lost sooner counts as one more failure, so that a peer which accepts and
    /// hangs up is not called again and again at full speed. 0 = every success starts afresh. At most 24 h.
    std::chrono::milliseconds stable{30'000};
};
static_assert(std::is_trivially_destructible_v<backoff_options>);

/// How long to wait before the next try.
///
///     backoff pause({.first = 200ms, .cap = 10s});
///     for (;;) {
///         if (connected) { pause.succeeded(now()); ... use it until it is lost ... }
///         wait(pause.failed(now()));
///     }
///
/// Pure: it reads no clock and waits for nothing; time and, where wanted, chance are arguments. A plain value
/// of about 80 bytes for one thread.
///
/// Semantics row Q-16 (reconnecting at a fixed interval is a thundering herd).
class backoff {
  public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    /// Takes the seed of its chance from the system, so that two programs that start together differ. Throws
    /// `failure` with `errc::invalid_option` for an option out of its range; the detail names it and what is
    /// allowed.
    explicit backoff(const backoff_options& options = {}) : backoff(options, system_seed()) {}

    /// The same with a given seed: equal seeds give equal delays, for tests and for replays.
    backoff(const backoff_options& options, std::uint64_t seed)
        : options_(checked(options)), state_(seed), ceiling_(options.first) {}

    /// A try failed, or a connection was lost at `now`. Returns how long to wait before the next try: more
    /// than nothing, and never more than `cap`.
    duration failed(time_point now) { return failed(now, next_bits()); }

    /// The same with 64 random bits of the caller's.
    duration failed(time_point now, std::uint64_t bits);

    /// A try succeeded: there is a connection since `now`. Forgets nothing yet; whether the connection was
    /// worth anything is known when it is lost.
    void succeeded(time_point now) noexcept {
        connected_ = true;
        since_ = now;
    }

    /// Begins again with `first`, as when the user asks for a new try or the address has changed.
    void reset() noexcept {
        ceiling_ = options_.first;
        attempts_ = 0;
        connected_ = false;
    }

    /// Failures in a row since the beginning, a `reset` or the loss of a stable connection. A limit on
    /// attempts is a comparison with this.
    std::uint32_t attempts() const noexcept { return attempts_; }

    /// The most that the next `failed` can return, unless a stable connection is lost.
    duration ceiling() const noexcept { return std::chrono::duration_cast<duration>(ceiling_); }

    const backoff_options& options() const noexcept { return options_; }

    /// The delay that these 64 random bits choose below a ceiling: the arithmetic alone. At least a
    /// nanosecond where the ceiling is one.
    static constexpr duration spread(duration ceiling, jitter kind, std::uint64_t bits) noexcept {
        // the remainder favours small delays by less than one part in 2^17, as no ceiling is longer than 24 h
        const auto whole = static_cast<std::uint64_t>(std::max<duration::rep>(ceiling.count(), 0));
        const std::uint64_t fixed = kind == jitter::full ? 0 : kind == jitter::equal ? whole / 2 : whole;
        const std::uint64_t chance = whole - fixed;
        return duration(static_cast<duration::rep>(fixed + (chance == 0 ? 0 : bits % chance + 1)));
    }

  private:
    using milliseconds =
        std::chrono::duration<double, std::milli>; // a factor of 1.5 must not get stuck at 1 ms

    static std::uint64_t system_seed() {
        std::random_device source;
        return std::uint64_t{source()} << 32 | source();
    }

    /// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): eight
    /// bytes of state where the standard's generators take up to 5000, and delays need no better chance.
    std::uint64_t next_bits() noexcept;

    static const backoff_options& checked(const backoff_options& o);

    backoff_options options_;
    std::uint64_t state_;
    milliseconds ceiling_;
    time_point since_{};
    std::uint32_t attempts_ = 0;
    bool connected_ = false;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/core/impl/backoff.ipp>
#endif

#endif
