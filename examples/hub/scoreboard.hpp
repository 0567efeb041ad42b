// SPDX-License-Identifier: BSL-1.0
// What the hub knows about its ports while it runs: who came, what was asked, what was answered.
#pragma once

#include <portunus/core/result.hpp>
#include <portunus/net/listen.hpp>

#include <atomic>
#include <cstdint>
#include <list>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

namespace hub {

/// The hub's own count of messages, besides what the library counts: how many went through a handler, and of
/// how many the answer has been given to the kernel.
struct message_count {
    std::atomic<std::uint64_t> handled{0};
    std::atomic<std::uint64_t> answered{0};
};

struct port {
    explicit port(std::string_view its_name) : name(its_name) {}

    std::string name;
    std::string policy; // as text
    message_count messages;
    std::optional<portunus::tcp_server> server; // set before the runtime runs; none: it was not opened
};

/// Filled before the runtime runs, read from any thread afterwards.
class scoreboard {
  public:
    /// The port stays where it is.
    port& add(std::string_view name) { return ports_.emplace_back(name); }
    const std::list<port>& all() const noexcept { return ports_; }

    /// "open 1, accepted 3, ..."; fails with `errc::invalid_option` when no port has that name.
    portunus::result<std::string> stats(std::string_view name) const;
    /// The same for all ports together.
    std::string stats() const;
    std::string prometheus() const;
    /// " line 7101 packet 7102": the first port of each name.
    std::string ports() const;
    /// 0 where there is no such name.
    std::uint16_t port_of(std::string_view name) const;

    /// One line a port: what it has done.
    void print_summary(std::ostream& out) const;

  private:
    std::list<port> ports_;
};

} // namespace hub
