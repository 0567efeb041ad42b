// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_CONNECT_HPP
#define PORTUNUS_NET_IMPL_CONNECT_HPP

#include <portunus/net/connect.hpp>
#include <portunus/net/peer_info.hpp>

#include <portunus/core/detail/event.hpp>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

using endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

inline std::string in_milliseconds(steady_clock::duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + " ms";
}

/// A question to the system's resolver. It blocks a thread of Asio's for as long as it likes; whoever asked
/// does not wait for that, so the question is shared with the handler and may be left alone.
struct name_query final : private context_bound {
    name_query(const boost::asio::any_io_executor& executor, steady_clock::duration limit_)
        : context_bound(executor), resolver(std::in_place, executor), changed(executor),
          limit(deadline_service::of(executor), this, [](void* self) {
              static_cast<name_query*>(self)->late = true;
              static_cast<name_query*>(self)->changed.notify();
          }) {
        limit.arm(limit_);
    }

    std::optional<boost::asio::ip::tcp::resolver> resolver;
    event changed;
    deadline limit;
    boost::system::error_code ec;
    endpoints found;
    bool done = false;
    bool late = false;

  private:
    void release_context() noexcept override { resolver.reset(); }
};

inline awaitable<result<endpoints>> resolve(std::string host, std::uint16_t port,
                                            steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const auto executor = co_await boost::asio::this_coro::executor;
    auto query = std::make_shared<name_query>(executor, limit);
    query->resolver->async_resolve(host, std::to_string(port),
                                   boost::asio::ip::tcp::resolver::numeric_service,
                                   [query](const boost::system::error_code& ec, const auto& results) {
                                       query->ec = ec;
                                       for (const auto& entry : results)
                                           query->found.push_back(entry.endpoint());
                                       query->done = true;
                                       query->limit.disarm();
                                       query->changed.notify();
                                   });
    while (!query->done && !query->late && !stop_asked(asked)) co_await query->changed.wait_op();
    if (query->done) {
        if (!query->ec) co_return std::move(query->found);
        if (query->ec == boost::asio::error::host_not_found || query->ec == boost::asio::error::no_data)
            co_return error(errc::host_not_found, '"' + host + '"');
        if (query->ec == boost::asio::error::host_not_found_try_again)
            co_return error(errc::no_answer, '"' + host + '"');
        co_return error(query->ec, "resolving \"" + host + '"');
    }
    query->limit.disarm();
    query->resolver->cancel();
    if (query->late)
        co_return error(errc::resolve_timeout,
                        '"' + host + "\" was not resolved within " + in_milliseconds(limit));
    co_return errc::canceled;
}

/// One attempt. The socket and its limit live in this frame, and nothing else refers to them.
inline awaitable<result<tcp_stream>> connect_one(boost::asio::ip::tcp::endpoint peer, connect_options options,
                                                 steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    struct attempt {
        boost::asio::ip::tcp::socket socket;
        bool late = false;
    };
    const auto executor = co_await boost::asio::this_coro::executor;
    attempt now{boost::asio::ip::tcp::socket(executor)};
    boost::system::error_code ec;
    now.socket.open(peer.protocol(), ec);
    if (ec) co_return error(ec, to_string(peer));
    apply_to_socket(now.socket.native_handle(), options.stream);
    if (!options.local_address.is_unspecified() || options.local_port != 0) {
        boost::asio::ip::tcp::endpoint local(options.local_address, options.local_port);
        if (options.local_address.is_unspecified()) local = {peer.protocol(), options.local_port};
        now.socket.bind(local, ec);
        if (ec == boost::system::errc::address_not_available)
            co_return error(errc::address_not_available, to_string(local));
        if (ec == boost::system::errc::address_in_use)
            co_return error(errc::address_in_use, to_string(local));
        if (ec) co_return error(ec, "binding " + to_string(local));
    }
    deadline late(deadline_service::of(now.socket.get_executor()), &now, [](void* self) {
        auto& a = *static_cast<attempt*>(self);
        a.late = true;
        boost::system::error_code ignored;
        a.socket.cancel(ignored);
    });
    late.arm(limit);
    const auto [failed] = co_await now.socket.async_connect(peer, use_result);
    late.disarm();
    if (!failed) co_return tcp_stream(std::move(now.socket), options.stream);
    if (now.late)
        co_return error(errc::connect_timeout,
                        to_string(peer) + " did not answer within " + in_milliseconds(limit));
    if (failed == boost::asio::error::operation_aborted) co_return errc::canceled;
    co_return error(failed, to_string(peer));
}

inline awaitable<result<tcp_stream>> connect_any(endpoints peers, connect_options options) {
    auto& time = deadline_service::of(co_await boost::asio::this_coro::executor);
    const auto end = time.now() + std::min(options.connect_limit, deadline_service::longest);
    error last(errc::host_not_found, "the name has no address of the family of local_address");
    for (const auto& peer : peers) {
        if (!options.local_address.is_unspecified() &&
            options.local_address.is_v4() != peer.address().is_v4())
            continue;
        auto stream = co_await connect_one(peer, options, end - time.now());
        if (stream) co_return stream;
        last = stream.error();
        if (last == errc::canceled || last == errc::connect_timeout) break;
    }
    co_return last;
}

inline awaitable<result<tcp_stream>> failed_connect(error why) {
    co_return why;
}

inline awaitable<result<tcp_stream>> connect_by_name(std::string host, std::uint16_t port,
                                                     connect_options options) {
    auto found = co_await resolve(std::move(host), port, options.resolve_limit);
    if (!found) co_return std::move(found).error();
    auto stream = co_await connect_any(std::move(*found), options);
    co_return stream;
}

} // namespace detail

inline awaitable<result<tcp_stream>> connect(std::string_view host, std::uint16_t port,
                                             const connect_options& options) {
    if (host.empty()) return detail::failed_connect(error(errc::host_not_found, "the name is empty"));
    if (host.find('\0') != std::string_view::npos) // the system's resolver would read only up to there
        return detail::failed_connect(error(errc::host_not_found, "the name contains a zero byte"));
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(host, ec);
    if (!ec) return connect({address, port}, options);
    return detail::connect_by_name(std::string(host), port, options);
}

inline awaitable<result<tcp_stream>> connect(const boost::asio::ip::tcp::endpoint& peer,
                                             const connect_options& options) {
    detail::endpoints one;
    one.push_back(peer);
    return detail::connect_any(std::move(one), options);
}

} // namespace portunus

#endif
