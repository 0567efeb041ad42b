// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_PEER_NAME_IPP
#define PORTUNUS_NET_IMPL_PEER_NAME_IPP

#include <portunus/net/peer_name.hpp>

#include <portunus/core/detail/config.hpp>
#include <utility>

namespace portunus {
namespace detail {

PORTUNUS_DECL awaitable<std::string> name_or_question_mark(boost::asio::ip::address address,
                                                           steady_clock::duration limit) {
    resolve_options options;
    options.limit = limit;
    auto name = co_await portunus::resolve_name(normalised(address), options);
    if (name) co_return std::move(*name);
    co_return std::string(1, '?');
}

} // namespace detail

PORTUNUS_DECL awaitable<std::string> peer_name(const boost::asio::ip::address& address,
                                               steady_clock::duration limit) {
    return detail::name_or_question_mark(address, limit);
}
PORTUNUS_DECL awaitable<std::string> peer_name(const peer_info& peer, steady_clock::duration limit) {
    return detail::name_or_question_mark(peer.remote.address(), limit);
}

} // namespace portunus

#endif
