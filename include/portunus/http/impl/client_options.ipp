// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_OPTIONS_IPP
#define PORTUNUS_HTTP_IMPL_CLIENT_OPTIONS_IPP

#include <portunus/http/client_options.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/connect.hpp>

#include <utility>

namespace portunus::http {
namespace detail {

PORTUNUS_DECL awaitable<result<any_stream>> dial_tcp(std::string host, std::uint16_t port,
                                                     connect_options options);
PORTUNUS_DECL awaitable<result<any_stream>> dial_tcp(std::string host, std::uint16_t port,
                                                     connect_options options) {
    auto stream = co_await portunus::connect(host, port, options);
    if (!stream) co_return stream.error();
    any_stream any(std::move(*stream));
    co_return any;
}

} // namespace detail

PORTUNUS_DECL dialer over_tcp() {
    return [](const dial_target& to) {
        connect_options options;
        options.resolve_limit = to.resolve_limit;
        options.connect_limit = to.connect_limit;
        return detail::dial_tcp(to.host, to.port, options);
    };
}

} // namespace portunus::http

#endif
