// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_IMPL_BACKOFF_IPP
#define PORTUNUS_CORE_IMPL_BACKOFF_IPP

#include <portunus/core/backoff.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

namespace portunus {

PORTUNUS_DECL backoff::duration backoff::failed(time_point now, std::uint64_t bits) {
    if (connected_ && now - since_ >= options_.stable) reset();
    connected_ = false;
    const duration delay = spread(std::chrono::duration_cast<duration>(ceiling_), options_.spread, bits);
    ceiling_ = std::min<milliseconds>(ceiling_ * options_.factor, options_.cap);
    if (attempts_ != UINT32_MAX) ++attempts_;
    return delay;
}

PORTUNUS_DECL std::uint64_t backoff::next_bits() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

PORTUNUS_DECL const backoff_options& backoff::checked(const backoff_options& o) {
    using namespace std::chrono_literals;
    const auto refuse = [](const std::string& what, const std::string& allowed) {
        throw failure(error(errc::invalid_option, what + "; allowed: " + allowed));
    };
    const auto ms = [](std::chrono::milliseconds d) { return std::to_string(d.count()) + " ms"; };
    if (o.cap < 1ms || o.cap > 24h) refuse("cap = " + ms(o.cap), "1 ms to 86400000 ms");
    if (o.first < 1ms || o.first > o.cap) refuse("first = " + ms(o.first), "1 ms to the cap, " + ms(o.cap));
    if (!(o.factor >= 1.0 && o.factor <= 100.0)) refuse("factor = " + std::to_string(o.factor), "1 to 100");
    if (o.stable < 0ms || o.stable > 24h) refuse("stable = " + ms(o.stable), "0 ms to 86400000 ms");
    return o;
}

} // namespace portunus

#endif
