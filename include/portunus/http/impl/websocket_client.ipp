// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_WEBSOCKET_CLIENT_IPP
#define PORTUNUS_HTTP_IMPL_WEBSOCKET_CLIENT_IPP

#include <portunus/http/websocket_client.hpp>

#include <portunus/core/detail/event.hpp>
#include <portunus/http/chunked.hpp>
#include <portunus/http/detail/characters.hpp>
#include <portunus/http/head_parser.hpp>
#include <portunus/http/list_elements.hpp>
#include <portunus/http/url.hpp>
#include <portunus/http/websocket_upgrade.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <system_error>

#include <sys/random.h>

namespace portunus::http {

PORTUNUS_DECL websocket_client_options& websocket_client_options::offer(std::string_view subprotocol) {
    if (subprotocol.empty() || !detail::is_token(subprotocol))
        throw failure(
            error(errc::invalid_option, "subprotocol \"" + std::string(subprotocol) + "\" is no token"));
    offered_.emplace_back(subprotocol);
    return *this;
}

PORTUNUS_DECL websocket_client_options& websocket_client_options::add(std::string_view name,
                                                                      std::string_view value) {
    const auto refuse = [&](const char* why) {
        throw failure(error(errc::invalid_option, "field \"" + std::string(name) + "\": " + why));
    };
    if (name.empty() || !detail::is_token(name)) refuse("the name is no token");
    for (const char c : value) // the value may be a secret, so it is not quoted
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
            refuse("a control character in the value");
    for (const std::string_view own :
         {"Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Sec-WebSocket-Key",
          "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"})
        if (detail::same_word(own, name)) refuse("the handshake writes it by itself");
    fields_.append(name).append(": ").append(value).append("\r\n");
    return *this;
}

namespace detail {

inline constexpr std::size_t quoted_of_a_refusal = 200;

struct websocket_opening {
    std::string url;
    websocket_client_options options;
    any_stream stream{};
    std::shared_ptr<websocket_compression> compression{}; // once agreed on
    std::optional<deadline> limit{};
    bool late = false;
    std::array<char, 24> key{};
    std::string out{};
    std::vector<char> in{};
    std::size_t size = 0; // of what was read into `in`
    std::array<field_slot, 100> slots{};
    response_parser parser{slots};

    std::string_view view() const noexcept { return {in.data(), size}; }
    boost::asio::mutable_buffer room() {
        if (in.size() - size < 1024) in.resize(size + 4096);
        return boost::asio::buffer(in.data() + size, in.size() - size);
    }
};

PORTUNUS_DECL std::shared_ptr<websocket_opening> prepare_websocket(std::string_view url,
                                                                   const websocket_client_options& options) {
    auto o = std::make_shared<websocket_opening>();
    o->url = url;
    o->options = options;
    return o;
}

PORTUNUS_DECL result<websocket_target> target_of(const websocket_opening& o) {
    const auto url = parse_url(o.url);
    if (!url) return url.error();
    if (!same_word(url->scheme, "ws") && !same_word(url->scheme, "wss"))
        return error(errc::invalid_address, "\"" + o.url + "\": a WebSocket begins with ws:// or wss://");
    websocket_target t;
    t.host = url->host;
    t.port = url->effective_port();
    t.secure = url->secure();
    t.connect = o.options.connect;
    return t;
}

PORTUNUS_DECL void write_websocket_request(websocket_opening& o, const url_view& url) {
    std::array<std::uint8_t, 16> random;
    while (::getrandom(random.data(), random.size(), 0) < 0)
        if (errno != EINTR) throw std::system_error(errno, std::system_category(), "getrandom");
    o.key = websocket_key(random);
    o.out.append("GET ").append(url.target()).append(" HTTP/1.1\r\nHost: ").append(url.authority);
    o.out.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    o.out.append("Sec-WebSocket-Key: ").append(o.key.data(), o.key.size()).append("\r\n");
    const char* before = "Sec-WebSocket-Protocol: ";
    for (const std::string& protocol : o.options.offered()) {
        o.out.append(before).append(protocol);
        before = ", ";
    }
    if (!o.options.offered().empty()) o.out.append("\r\n");
    if (o.options.extension)
        o.out.append("Sec-WebSocket-Extensions: ").append(o.options.extension->offer()).append("\r\n");
    o.out.append(o.options.fields()).append("\r\n");
}

/// What the server has made of our offer.
PORTUNUS_DECL error take_extension(websocket_opening& o, const response_head& head) {
    std::size_t count = 0;
    for (const std::string_view value : head.all("Sec-WebSocket-Extensions"))
        for (const std::string_view answer : list_elements(value)) {
            if (++count > 1) return error(errc::malformed_frame, "more extensions than were offered");
            auto agreed = o.options.extension->confirm(answer);
            if (!agreed) return agreed.error();
            o.compression = std::move(*agreed);
        }
    return error();
}

/// What a body begins with, as far as it is there and can be shown.
PORTUNUS_DECL std::string quote_refusal(const response_head& head, std::string_view body) {
    std::string text;
    if (head.chunked()) {
        chunked_decoder chunks;
        for (;;) {
            const chunked_step step = chunks.next(body);
            body.remove_prefix(step.consumed);
            if (step.what != chunked_step::kind::data) break;
            text += step.data;
        }
    } else {
        text = body.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(
                                  body.size(), head.content_length().value_or(~0ull))));
    }
    if (text.size() > quoted_of_a_refusal) text = text.substr(0, quoted_of_a_refusal).append("...");
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= 0x20) text.pop_back();
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = ' ';
    return text;
}

PORTUNUS_DECL bool whole_refusal(const response_head& head, std::string_view body) {
    if (head.body(verb::get) == body_end::none || body.size() >= quoted_of_a_refusal + 100) return true;
    return !head.chunked() && head.content_length() && body.size() >= *head.content_length();
}

/// Exchanges request and answer. Nothing: it is a WebSocket from here on.
PORTUNUS_DECL awaitable<result<std::string>> shake_hands(std::shared_ptr<websocket_opening> o) {
    const auto timed_out = [] {
        return error(errc::handshake_timeout, "no answer to the WebSocket's handshake within its limit");
    };
    auto sent = co_await o->stream.write(o->out);
    if (!sent) co_return o->late ? timed_out() : sent.error();
    for (;;) {
        const head_step step = o->parser.feed(o->view());
        if (step.what == head_step::kind::refused) co_return o->parser.why().to_error();
        if (step.what == head_step::kind::complete) {
            const response_head& head = o->parser.head();
            if (head.interim()) {
                std::copy(o->in.begin() + static_cast<std::ptrdiff_t>(step.size),
                          o->in.begin() + static_cast<std::ptrdiff_t>(o->size), o->in.begin());
                o->size -= step.size;
                o->parser.reset();
                continue;
            }
            const auto chosen = judge_upgrade_answer(head, {o->key.data(), o->key.size()},
                                                     o->options.offered(), o->options.extension != nullptr);
            if (chosen) {
                const error no = take_extension(*o, head);
                if (no.code().failed()) co_return no;
                std::string protocol(*chosen);
                o->stream.prepend(std::string(o->view().substr(step.size)));
                co_return protocol;
            }
            error refused = chosen.error();
            if (refused != errc::remote_error) co_return refused;
            for (bool ended = false; !ended && !whole_refusal(head, o->view().substr(step.size));) {
                auto more = co_await o->stream.read_some(o->room());
                o->parser.rebase(o->in.data());
                if (more) o->size += *more;
                ended = !more;
            }
            const std::string quoted = quote_refusal(head, o->view().substr(step.size));
            if (quoted.empty()) co_return refused;
            co_return error(errc::remote_error, std::string(refused.detail()) + ": " + quoted);
        }
        if (o->late) co_return timed_out();
        auto more = co_await o->stream.read_some(o->room());
        if (!more) co_return o->late ? timed_out() : more.error();
        o->size += *more;
    }
}

PORTUNUS_DECL awaitable<result<websocket>> open_prepared(std::shared_ptr<websocket_opening> o,
                                                         any_stream stream) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    o->stream = std::move(stream);
    if (!o->stream.get_executor()) co_return errc::not_connected;
    const auto url = parse_url(o->url);
    if (!url) co_return url.error();
    write_websocket_request(*o, *url);
    // It looks at the job, which every frame that is concerned holds, and at no frame.
    o->limit.emplace(deadline_service::of(o->stream.get_executor()), o.get(), [](void* job) {
        auto& late = *static_cast<websocket_opening*>(job);
        late.late = true;
        late.stream.cancel();
    });
    if (o->options.handshake_limit > steady_clock::duration::zero())
        o->limit->arm(o->options.handshake_limit);
    auto protocol = co_await shake_hands(o);
    o->limit.reset();
    if (!protocol) {
        o->stream.abort();
        co_return protocol.error();
    }
    co_return websocket_state::handle(new websocket_state(std::move(o->stream), websocket_role::client,
                                                          o->options.socket, std::move(*protocol),
                                                          std::move(o->compression)));
}

PORTUNUS_DECL awaitable<result<websocket>> connect_prepared(std::shared_ptr<websocket_opening> o) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto target = target_of(*o);
    if (!target) co_return target.error();
    if (target->secure)
        co_return error(errc::invalid_address,
                        "\"" + o->url + "\": wss:// needs a tls_client_context (http/tls_websocket.hpp)");
    auto peer = co_await connect(target->host, target->port, target->connect);
    if (!peer) co_return peer.error();
    any_stream stream(std::move(*peer));
    auto opened = co_await open_prepared(o, std::move(stream));
    co_return opened;
}

} // namespace detail

PORTUNUS_DECL awaitable<result<websocket>> connect_websocket(std::string_view url,
                                                             const websocket_client_options& options) {
    return detail::connect_prepared(detail::prepare_websocket(url, options));
}
PORTUNUS_DECL awaitable<result<websocket>> connect_websocket(std::string_view url) {
    return connect_websocket(url, websocket_client_options());
}
PORTUNUS_DECL awaitable<result<websocket>> open_websocket(any_stream stream, std::string_view url,
                                                          const websocket_client_options& options) {
    return detail::open_prepared(detail::prepare_websocket(url, options), std::move(stream));
}

} // namespace portunus::http

#endif
