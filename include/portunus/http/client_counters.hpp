// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CLIENT_COUNTERS_HPP
#define PORTUNUS_HTTP_CLIENT_COUNTERS_HPP

#include <cstddef>
#include <cstdint>

namespace portunus::http {

/// What a client has counted since it began.
struct client_counters {
    std::uint64_t requests{0};    ///< that were sent, redirections and repetitions included
    std::uint64_t connections{0}; ///< that were made
    std::uint64_t reused{0};      ///< requests on a connection that had served one before
    std::uint64_t stale{0};       ///< resting connections that the server had ended, or written to
    std::uint64_t repeated{0};    ///< requests that were sent again as their connection was stale
    std::size_t resting{0};       ///< connections that rest now
    std::size_t in_use{0};
    std::size_t waiting{0}; ///< requests in line
};

} // namespace portunus::http

#endif
