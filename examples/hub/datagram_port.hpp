// SPDX-License-Identifier: BSL-1.0
// The hub by datagrams: commands by unicast, being found by broadcast or multicast, and news for a group.
#pragma once

#include "commands.hpp"
#include "options.hpp"

#include <portunus/core/runtime.hpp>
#include <portunus/net/udp_socket.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <stop_token>
#include <string>
#include <string_view>

namespace hub {

/// A datagram is a command and has one answer, which leaves from where the datagram came to. What is sent to
/// many at once (a broadcast, a group) may ask "who", which gives `introduction`, and nothing else: a
/// stranger's broadcast switches no lamp.
class datagram_port {
  public:
    /// Opens the ports and joins the group; throws `portunus::failure`. Serves until the runtime stops, and
    /// has to live until it has ended.
    datagram_port(portunus::runtime& rt, const options& chosen, const commands& handle,
                  std::string introduction);

    /// Tells the group. May be called from any thread; where a hundred are waiting already, it is dropped and
    /// counted.
    void tell_group(std::string_view news);

    const portunus::udp_socket& socket() const noexcept { return socket_; }
    void print_summary(std::ostream& out) const;

  private:
    portunus::awaitable<void> serve();

    static constexpr unsigned most_news = 100;

    portunus::udp_socket socket_;
    boost::asio::ip::udp::endpoint news_;
    portunus::datagram_source source_;
    const commands& handle_;
    std::string introduction_;
    std::uint64_t handled_ = 0;
    std::uint64_t answered_ = 0;
    std::uint64_t not_for_many_ = 0;
    std::uint64_t told_ = 0;
    std::atomic<unsigned> waiting_{0};
    std::atomic<std::uint64_t> not_told_{0};
    std::stop_callback<std::function<void()>> close_;
};

} // namespace hub
