// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_MIDDLEWARE_HPP
#define PORTUNUS_HTTP_MIDDLEWARE_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/http/request.hpp>
#include <portunus/http/response.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace portunus::http {

/// What is done around handlers: something before, which may answer by itself, and something to the answer.
/// Two plain functions, so that it fits around plain handlers and coroutines alike; either may be empty.
///
///     server_options site;                                      // around everything, 404 and 405 included
///     site.around = together(access_log(log), security_headers(), cors(others), compressing());
///
///     routes.add(verb::put, "/lamps/{id}", wrap(set_lamp, require_basic_auth("lamps", check)));
///
/// Both are called on the connection's context, by several contexts at a time, and must not block. An
/// exception that leaves one is answered with 500 and logged. Who has to wait before a request (for a
/// database that knows the users) writes a coroutine that calls the handler.
struct middleware {
    /// Nothing: go on. A response: that is the answer, and no handler is called.
    std::function<std::optional<response>(request&)> before{};
    /// May change the answer, whoever gave it. Its body was not sent yet, and where it is streamed, not made.
    std::function<void(const request&, response&)> after{};

    explicit operator bool() const noexcept { return before || after; }
};

namespace detail {

/// Several as one. Kept in a shared place, as functions are copied.
struct middleware_chain {
    std::vector<middleware> parts;

    std::optional<response> before(request& r) const {
        for (const middleware& m : parts) {
            if (!m.before) continue;
            if (auto early = m.before(r)) return early;
        }
        return std::nullopt;
    }
    void after(const request& r, response& answer) const {
        for (auto m = parts.rbegin(); m != parts.rend(); ++m)
            if (m->after) m->after(r, answer);
    }
};

inline middleware joined(std::vector<middleware> parts) {
    auto chain = std::make_shared<const middleware_chain>(middleware_chain{std::move(parts)});
    middleware all;
    for (const middleware& m : chain->parts) {
        if (m.before) all.before = [chain](request& r) { return chain->before(r); };
        if (m.after) all.after = [chain](const request& r, response& answer) { chain->after(r, answer); };
    }
    return all;
}

/// A coroutine with something around it.
class wrapped_coroutine {
  public:
    wrapped_coroutine(handler inner, middleware around)
        : parts_(std::make_shared<const parts>(parts{std::move(inner), std::move(around)})) {}
    awaitable<response> operator()(request& r) const { return answer(parts_, r); }

  private:
    struct parts {
        handler inner;
        middleware around;
    };
    static awaitable<response> answer(std::shared_ptr<const parts> p, request& r) {
        std::optional<response> given;
        if (p->around.before) given = p->around.before(r);
        if (!given) given = co_await p->inner.answer_later(r);
        if (p->around.after) p->around.after(r, *given);
        co_return std::move(*given);
    }
    std::shared_ptr<const parts> parts_;
};

} // namespace detail

/// Several as one: the first is the outermost. Each `before` in order, until one answers; then every `after`,
/// from the last to the first, whoever has answered.
template <std::same_as<middleware>... More>
middleware together(middleware first, More... more) {
    std::vector<middleware> parts;
    parts.reserve(1 + sizeof...(more));
    parts.push_back(std::move(first));
    (parts.push_back(std::move(more)), ...);
    return detail::joined(std::move(parts));
}

/// A handler with middleware around it. A plain function stays one, and costs no coroutine.
template <std::same_as<middleware>... More>
handler wrap(handler inner, middleware first, More... more) {
    middleware around = together(std::move(first), std::move(more)...);
    if (!inner.is_plain()) return detail::wrapped_coroutine(std::move(inner), std::move(around));
    return [inner = std::move(inner), around = std::move(around)](request& r) {
        std::optional<response> given;
        if (around.before) given = around.before(r);
        if (!given) given = inner.answer(r);
        if (around.after) around.after(r, *given);
        return std::move(*given);
    };
}

} // namespace portunus::http

#endif
