// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_IPP
#define PORTUNUS_HTTP_IMPL_CLIENT_IPP

#include <portunus/http/client.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/http/url.hpp>

#include <boost/asio/post.hpp>

namespace portunus::http {
namespace detail {

PORTUNUS_DECL std::shared_ptr<exchange_state> begin_exchange(const std::shared_ptr<client_state>& of,
                                                             client_request r, bool collects);
PORTUNUS_DECL std::shared_ptr<exchange_state> begin_exchange(const std::shared_ptr<client_state>& of,
                                                             client_request r, bool collects) {
    return std::make_shared<exchange_state>(of, std::move(r), collects);
}

PORTUNUS_DECL awaitable<result<exchange>> open_exchange(std::shared_ptr<exchange_state> x);
PORTUNUS_DECL awaitable<result<exchange>> open_exchange(std::shared_ptr<exchange_state> x) {
    auto begun = co_await exchange_state::run(x);
    if (!begun) co_return begun.error();
    exchange handle(std::move(x));
    co_return handle;
}

} // namespace detail

PORTUNUS_DECL awaitable<result<void>> upload_writer::write(std::string_view bytes) {
    return detail::exchange_state::put(exchange_.shared_from_this(), *this, bytes);
}

PORTUNUS_DECL exchange::exchange(std::shared_ptr<detail::exchange_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL exchange::exchange(exchange&&) noexcept = default;
PORTUNUS_DECL exchange& exchange::operator=(exchange&& other) noexcept {
    if (this != &other) {
        if (state_) state_->drop();
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL exchange::~exchange() {
    if (state_) state_->drop();
}
PORTUNUS_DECL const response_head& exchange::head() const noexcept {
    static const response_head none;
    return state_ ? state_->head() : none;
}
PORTUNUS_DECL std::string_view exchange::url() const noexcept {
    return state_ ? std::string_view(state_->url()) : std::string_view();
}
PORTUNUS_DECL awaitable<result<std::string_view>> exchange::read_body() {
    return detail::exchange_state::read_for_user(state_);
}
PORTUNUS_DECL awaitable<result<std::string>> exchange::collect() {
    return detail::exchange_state::collect(state_);
}
PORTUNUS_DECL any_stream exchange::take_stream() {
    return state_ ? state_->take_stream() : any_stream();
}

PORTUNUS_DECL client::client(boost::asio::any_io_executor executor, client_options options)
    : state_(std::make_shared<detail::client_state>(std::move(executor), std::move(options))) {}

PORTUNUS_DECL client::client(runtime& rt, client_options options)
    : client(rt.get_executor(), std::move(options)) {
    state_->on_stop.emplace(rt.stop_token(), [weak = std::weak_ptr(state_), executor = rt.get_executor()] {
        boost::asio::post(executor, [weak] {
            if (const auto state = weak.lock()) {
                state->options.idle_limit = {}; // nothing rests any more
                state->close_resting();
            }
        });
    });
}

PORTUNUS_DECL client::client(client&&) noexcept = default;
PORTUNUS_DECL client& client::operator=(client&& other) noexcept {
    if (this != &other) {
        if (state_) state_->shut();
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL client::~client() {
    if (state_) state_->shut();
}

PORTUNUS_DECL awaitable<result<client_response>> client::get(std::string_view url) {
    return send(client_request(verb::get, url));
}
PORTUNUS_DECL awaitable<result<client_response>> client::head(std::string_view url) {
    return send(client_request(verb::head, url));
}
PORTUNUS_DECL awaitable<result<client_response>> client::delete_(std::string_view url) {
    return send(client_request(verb::delete_, url));
}
PORTUNUS_DECL awaitable<result<client_response>> client::post(std::string_view url, std::string_view body,
                                                              std::string_view type) {
    client_request r(verb::post, url);
    r.body(std::string(body), type);
    return send(std::move(r));
}
PORTUNUS_DECL awaitable<result<client_response>> client::put(std::string_view url, std::string_view body,
                                                             std::string_view type) {
    client_request r(verb::put, url);
    r.body(std::string(body), type);
    return send(std::move(r));
}
PORTUNUS_DECL awaitable<result<client_response>> client::patch(std::string_view url, std::string_view body,
                                                               std::string_view type) {
    client_request r(verb::patch, url);
    r.body(std::string(body), type);
    return send(std::move(r));
}
PORTUNUS_DECL awaitable<result<client_response>> client::send(const client_request& r) {
    return detail::exchange_state::send(detail::begin_exchange(state_, r, true));
}
PORTUNUS_DECL awaitable<result<client_response>> client::send(client_request&& r) {
    return detail::exchange_state::send(detail::begin_exchange(state_, std::move(r), true));
}
PORTUNUS_DECL awaitable<result<exchange>> client::open(const client_request& r) {
    return detail::open_exchange(detail::begin_exchange(state_, r, false));
}
PORTUNUS_DECL awaitable<result<exchange>> client::open(client_request&& r) {
    return detail::open_exchange(detail::begin_exchange(state_, std::move(r), false));
}

PORTUNUS_DECL void client::authenticate(std::string_view url, std::string user, std::string password,
                                        auth way) {
    const auto parsed = parse_url(url);
    if (!parsed) throw failure(parsed.error());
    state_->known[detail::origin_of(*parsed)] = credentials(std::move(user), std::move(password), way);
}
PORTUNUS_DECL void client::close_resting() {
    state_->close_resting();
}
PORTUNUS_DECL client_counters client::counters() const {
    return state_->snapshot();
}
PORTUNUS_DECL boost::asio::any_io_executor client::get_executor() const {
    return state_->executor;
}

} // namespace portunus::http

#endif
