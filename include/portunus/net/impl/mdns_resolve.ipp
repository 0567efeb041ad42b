// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_MDNS_RESOLVE_IPP
#define PORTUNUS_NET_IMPL_MDNS_RESOLVE_IPP

#include <portunus/net/mdns_resolve.hpp>

#include <portunus/core/detail/config.hpp>
#include <utility>

namespace portunus {
namespace detail {

PORTUNUS_DECL mdns_asker::settings settings_of(const mdns_options& options) {
    mdns_asker::settings s;
    s.on = options.on;
    s.port = options.port;
    return s;
}

PORTUNUS_DECL awaitable<result<std::vector<boost::asio::ip::address>>> mdns_addresses(std::string name,
                                                                                      mdns_options options) {
    const int family = options.family == address_family::v4   ? 4
                       : options.family == address_family::v6 ? 6
                                                              : 0;
    auto wanted = mdns_question::addresses_of(name, family);
    if (!wanted) co_return wanted.error();
    const auto settings = settings_of(options);
    auto answer = co_await ask_mdns(std::move(*wanted), settings, options.limit, options.counters);
    if (!answer) co_return answer.error();
    co_return (*answer)->addresses();
}

PORTUNUS_DECL awaitable<result<std::string>> mdns_name(boost::asio::ip::address address,
                                                       mdns_options options) {
    auto wanted = mdns_question::name_of(address);
    const auto settings = settings_of(options);
    auto answer = co_await ask_mdns(std::move(wanted), settings, options.limit, options.counters);
    if (!answer) co_return answer.error();
    co_return (*answer)->name();
}

} // namespace detail

PORTUNUS_DECL awaitable<result<std::vector<boost::asio::ip::address>>>
mdns_resolve(std::string_view name, const mdns_options& options) {
    return detail::mdns_addresses(std::string(name), options);
}

PORTUNUS_DECL awaitable<result<std::string>> mdns_resolve_name(const boost::asio::ip::address& address,
                                                               const mdns_options& options) {
    return detail::mdns_name(address, options);
}

} // namespace portunus

#endif
