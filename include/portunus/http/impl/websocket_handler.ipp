// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_WEBSOCKET_HANDLER_IPP
#define PORTUNUS_HTTP_IMPL_WEBSOCKET_HANDLER_IPP

#include <portunus/http/websocket_handler.hpp>

#include <portunus/http/list_elements.hpp>

#include <boost/asio/this_coro.hpp>

#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace portunus::http {
namespace detail {

/// The rest of a connection that has become a WebSocket.
PORTUNUS_DECL awaitable<void> serve_websocket(any_stream stream, websocket_options options,
                                              std::string subprotocol,
                                              std::shared_ptr<websocket_compression> compression,
                                              websocket_function with) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const websocket_state::pointer s(new websocket_state(std::move(stream), websocket_role::server, options,
                                                         std::move(subprotocol), std::move(compression)));
    s->managed = true;
    std::exception_ptr thrown;
    try {
        auto session = with(websocket_state::handle(s));
        co_await std::move(session);
    } catch (...) {
        thrown = std::current_exception();
    }
    const websocket_code code = thrown ? websocket_code::internal_error : websocket_code::normal;
    auto closed = co_await websocket_state::close(s, code, std::string());
    (void)closed; // what is wrong with it was the peer's to know
    if (thrown) std::rethrow_exception(thrown);
}

} // namespace detail

PORTUNUS_DECL response upgrade(const request& asked, const websocket_handler_options& options,
                               websocket_function with) {
    const websocket_verdict v = judge_upgrade(asked.head(), options.rules);
    if (!v.accepted()) {
        response refusal(v.code, std::string(v.why) + '\n');
        if (v.code == status::upgrade_required)
            refusal.add(field::upgrade, "websocket").add(field::sec_websocket_version, "13");
        return refusal;
    }
    response answer(status::switching_protocols);
    answer.add(field::upgrade, "websocket").add(field::sec_websocket_accept, v.accept_text());
    if (!v.subprotocol.empty()) answer.add(field::sec_websocket_protocol, v.subprotocol);
    websocket_extension::agreement agreed;
    if (options.extension)
        for (const std::string_view value : asked.head().all("Sec-WebSocket-Extensions"))
            for (const std::string_view offered : list_elements(value))
                if (agreed.answer.empty()) agreed = options.extension->accept(offered);
    if (!agreed.answer.empty()) answer.add(field::sec_websocket_extensions, agreed.answer);
    answer.take_over([socket = options.socket, compression = agreed.compression,
                      subprotocol = std::string(v.subprotocol), with = std::move(with)](any_stream stream) {
        return detail::serve_websocket(std::move(stream), socket, subprotocol, compression, with);
    });
    return answer;
}

PORTUNUS_DECL handler websocket_handler(websocket_handler_options options, websocket_function with) {
    // Shared, since handlers are copied.
    const auto kept = std::make_shared<const websocket_handler_options>(std::move(options));
    return handler([kept, with = std::move(with)](request& asked) { return upgrade(asked, *kept, with); });
}

PORTUNUS_DECL handler websocket_handler(websocket_function with) {
    return websocket_handler(websocket_handler_options(), std::move(with));
}

} // namespace portunus::http

#endif
