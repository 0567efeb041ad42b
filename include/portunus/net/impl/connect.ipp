// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_CONNECT_IPP
#define PORTUNUS_NET_IMPL_CONNECT_IPP

#include <portunus/net/impl/connect.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/resolver.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

PORTUNUS_DECL endpoints by_turns(const endpoints& preferred) {
    endpoints first, other, mixed;
    for (const auto& e : preferred)
        (e.protocol() == preferred.front().protocol() ? first : other).push_back(e);
    mixed.reserve(preferred.size());
    for (std::size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
        if (i < first.size()) mixed.push_back(first[i]);
        if (i < other.size()) mixed.push_back(other[i]);
    }
    return mixed;
}

/// The attempts to reach one of several endpoints. Shared by the coroutine that waits and by the handlers of
/// the attempts, so that whichever goes first leaves nothing that dangles.
class connect_race final : public std::enable_shared_from_this<connect_race>, private context_bound {
  public:
    using socket_type = boost::asio::ip::tcp::socket;
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    connect_race(const boost::asio::any_io_executor& executor, endpoints peers,
                 const connect_options& options)
        : context_bound(executor), changed(executor), peers_(std::move(peers)), options_(options),
          pause_(deadline_service::of(executor), this,
                 [](void* self) { static_cast<connect_race*>(self)->next_is_due(); }),
          limit_(deadline_service::of(executor), this,
                 [](void* self) { static_cast<connect_race*>(self)->too_late(); }),
          executor_(executor) {
        sockets_.resize(peers_.size());
        limit_.arm(options_.connect_limit);
    }

    bool over() const noexcept { return winner_ || late_ || (running_ == 0 && next_ == peers_.size()); }
    bool due() const noexcept { return due_ && next_ != peers_.size() && !over(); }

    /// Begins the next attempt.
    void begin() {
        const std::size_t i = next_++;
        due_ = false;
        auto socket = open(peers_[i]);
        if (!socket) return failed(i, socket.error());
        sockets_[i].emplace(std::move(*socket));
        ++running_;
        sockets_[i]->async_connect(
            peers_[i],
            [self = shared_from_this(), i](const boost::system::error_code& ec) { self->ended(i, ec); });
        if (next_ != peers_.size()) pause_.arm(options_.attempt_delay);
    }

    /// Drops what still runs. What was established stays for `outcome`.
    void stop() noexcept {
        stopped_ = true;
        pause_.disarm();
        limit_.disarm();
        for (std::size_t i = 0; i < sockets_.size(); ++i)
            if (i != winner_) sockets_[i].reset();
    }

    result<tcp_stream> outcome() {
        if (winner_ && sockets_[*winner_]) return tcp_stream(std::move(*sockets_[*winner_]), options_.stream);
        if (late_)
            return error(errc::connect_timeout,
                         (peers_.size() == 1
                              ? to_string(peers_.front()) + " did not answer"
                              : "none of " + std::to_string(peers_.size()) + " addresses answered") +
                             " within " + in_milliseconds(options_.connect_limit) + failures_);
        if (!over()) return errc::canceled;
        return peers_.size() == 1 ? error(last_.code(), std::string(last_.detail()))
                                  : error(last_.code(), "all addresses failed" + failures_);
    }

    event changed;

  private:
    static constexpr std::size_t most_told = 8;

    result<socket_type> open(const endpoint_type& peer) {
        socket_type socket(executor_);
        boost::system::error_code ec;
        socket.open(peer.protocol(), ec);
        if (ec) return error(ec, to_string(peer));
        const int fd = socket.native_handle();
        apply_to_socket(fd, options_.stream);
        if (!options_.interface.empty()) {
            const std::string_view name = options_.interface.view();
            if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.data(),
                             static_cast<socklen_t>(name.size())) != 0) {
                if (errno == ENODEV)
                    return error(errc::no_such_interface,
                                 "no interface is named \"" + std::string(name) + '"');
                return error(boost::system::error_code(errno, boost::system::system_category()),
                             "binding to the interface " + std::string(name));
            }
        }
        if (options_.local_address.is_unspecified() && options_.local_port == 0) return socket;
        endpoint_type local(options_.local_address, options_.local_port);
        if (options_.local_address.is_unspecified()) local = {peer.protocol(), options_.local_port};
        socket.bind(local, ec);
        if (!ec) return socket;
        if (ec == boost::system::errc::address_not_available)
            return error(errc::address_not_available, to_string(local));
        if (ec == boost::system::errc::address_in_use) return error(errc::address_in_use, to_string(local));
        return error(ec, "binding " + to_string(local));
    }

    void ended(std::size_t i, const boost::system::error_code& ec) {
        --running_;
        if (stopped_ || winner_ || !sockets_[i]) return;
        if (!ec && !to_itself(*sockets_[i])) {
            winner_ = i;
            changed.notify();
            return;
        }
        const boost::system::error_code why = ec ? ec : boost::asio::error::connection_refused;
        sockets_[i].reset();
        failed(i, error(why, to_string(peers_[i])));
    }

    /// Where nobody listens on a port of this machine, TCP may give us that very port for our own end, and
    /// then connects the socket with itself (simultaneous open, RFC 9293 3.5).
    static bool to_itself(const socket_type& socket) {
        boost::system::error_code ec;
        const endpoint_type local = socket.local_endpoint(ec), remote = socket.remote_endpoint(ec);
        return !ec && local == remote;
    }

    void failed(std::size_t i, error why) {
        if (i < most_told)
            failures_ += "; " + to_string(peers_[i]) + ": " + why.code().message();
        else if (i == most_told)
            failures_ += "; ...";
        last_ = std::move(why);
        next_is_due();
    }

    void next_is_due() {
        pause_.disarm();
        due_ = true;
        changed.notify();
    }

    void too_late() {
        late_ = true;
        changed.notify();
    }

    void release_context() noexcept override {
        for (auto& socket : sockets_) socket.reset();
    }

    endpoints peers_;
    connect_options options_;
    std::vector<std::optional<socket_type>> sockets_; // of each attempt that runs, and of the one that won
    std::optional<std::size_t> winner_;
    std::size_t next_ = 0;
    std::size_t running_ = 0;
    std::string failures_;
    error last_;
    deadline pause_;
    deadline limit_;
    boost::asio::any_io_executor executor_;
    bool due_ = true;
    bool late_ = false;
    bool stopped_ = false;
};

PORTUNUS_DECL awaitable<result<tcp_stream>> connect_any(endpoints peers, connect_options options) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (!options.local_address.is_unspecified())
        std::erase_if(peers, [v4 = options.local_address.is_v4()](const auto& peer) {
            return peer.address().is_v4() != v4;
        });
    if (peers.empty())
        co_return error(errc::host_not_found, "the name has no address of the family of local_address");
    if (stop_asked(asked)) co_return errc::canceled;
    const auto executor = co_await boost::asio::this_coro::executor;
    const auto race = std::make_shared<connect_race>(executor, by_turns(peers), options);
    struct guard { // also when this frame is destroyed while it waits
        connect_race& race;
        ~guard() { race.stop(); }
    } at_end{*race};
    while (!race->over() && !stop_asked(asked)) {
        if (race->due())
            race->begin();
        else
            co_await race->changed.wait_op();
    }
    co_return race->outcome();
}

PORTUNUS_DECL awaitable<result<tcp_stream>> failed_connect(error why) {
    co_return why;
}

PORTUNUS_DECL awaitable<result<tcp_stream>> connect_by_name(std::string host, std::uint16_t port,
                                                            connect_options options) {
    auto found = co_await resolve_addresses(std::move(host), {options.resolve_limit, options.family});
    if (!found) co_return std::move(found).error();
    endpoints peers;
    for (const auto& address : *found) peers.emplace_back(address, port);
    auto stream = co_await connect_any(std::move(peers), options);
    co_return stream;
}

} // namespace detail

PORTUNUS_DECL awaitable<result<tcp_stream>> connect(std::string_view host, std::uint16_t port,
                                                    const connect_options& options) {
    if (host.find('\0') != std::string_view::npos) // what comes to be a C string would be read up to there
        return detail::failed_connect(error(errc::invalid_name, "the name contains a zero byte"));
    return detail::connect_by_name(std::string(host), port, options);
}

PORTUNUS_DECL awaitable<result<tcp_stream>> connect(const boost::asio::ip::tcp::endpoint& peer,
                                                    const connect_options& options) {
    detail::endpoints one;
    one.push_back(peer);
    return detail::connect_any(std::move(one), options);
}

} // namespace portunus

#endif
