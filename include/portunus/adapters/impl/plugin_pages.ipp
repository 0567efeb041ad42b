// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_IMPL_PLUGIN_PAGES_IPP
#define PORTUNUS_ADAPTERS_IMPL_PLUGIN_PAGES_IPP

#include <portunus/adapters/plugin_pages.hpp>

#include <portunus/adapters/detail/plugin_core.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/runtime.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace portunus {
namespace detail {

/// A request that waits for its answer. It belongs to the coroutine of the request.
struct page_wait {
    explicit page_wait(const boost::asio::any_io_executor& e)
        : executor(e), changed(e), limit(deadline_service::of(e), this, [](void* self) {
              static_cast<page_wait*>(self)->late = true;
              static_cast<page_wait*>(self)->changed.notify();
          }) {}
    boost::asio::any_io_executor executor;
    event changed;
    deadline limit;
    bool late = false;
};

/// The place of a request in the table of its plugin; whoever answers later finds it gone.
struct page_place {
    page_place(std::shared_ptr<plugin_core> c, page_slot* s) : core(std::move(c)), slot(s) {}
    page_place(const page_place&) = delete;
    page_place& operator=(const page_place&) = delete;
    ~page_place() {
        const std::lock_guard lock(slot->mutex);
        slot->answered = nullptr;
        slot->answer.reset();
        slot->request = {};
        core->pages.release(*slot);
    }
    std::optional<page_reply> answer() const {
        const std::lock_guard lock(slot->mutex);
        return slot->answer;
    }
    std::shared_ptr<plugin_core> core;
    page_slot* slot;
};

PORTUNUS_DECL http::response made_of(page_reply said) {
    const auto code = http::status(said.status);
    if (said.status < 200 || said.status > 599 || http::text_of(code) == "<unknown-status>")
        return http::response(http::status::internal_server_error);
    try {
        http::response answer(code, std::move(said.body), http::literal());
        if (!said.content_type.empty()) answer.add("Content-Type", said.content_type);
        return answer;
    } catch (const failure&) { // a content type that cannot be sent
        return http::response(http::status::internal_server_error);
    }
}

PORTUNUS_DECL page_request described(const http::request& r, std::string_view body, listener_id listener) {
    page_request out;
    out.listener = listener;
    out.method = r.head().method_text();
    out.path = r.path();
    out.query = r.query();
    for (const auto& f : r.head()) out.fields.emplace_back(f.name, f.value);
    out.body = body;
    out.remote = r.remote_endpoint();
    return out;
}

PORTUNUS_DECL awaitable<http::response> answer_page(std::weak_ptr<plugin_core> of,
                                                    std::shared_ptr<std::atomic<std::uint64_t>> listener,
                                                    steady_clock::duration limit, http::request& r) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    auto body = co_await r.body();
    if (!body) co_return http::response(http::status::bad_request); // the server knows better
    const auto core = of.lock();
    page_slot* const slot = core && !core->stopping ? core->pages.acquire() : nullptr;
    if (!slot) co_return http::response(http::status::service_unavailable);
    const page_place place(core, slot);
    const auto wait = std::make_shared<page_wait>(r.get_executor());
    {
        const std::lock_guard lock(slot->mutex);
        slot->request = described(r, *body, listener_id::from_value(listener->load()));
        slot->told = false;
        slot->answered = [weak = std::weak_ptr<page_wait>(wait), executor = wait->executor, of] {
            const auto alive = of.lock();
            if (alive)
                alive->unless_gone([&] {
                    boost::asio::post(executor, [weak] {
                        if (const auto waiting = weak.lock()) waiting->changed.notify();
                    });
                });
        };
    }
    wait->limit.arm(limit);
    core->mail(*slot);
    auto answer = place.answer();
    while (!answer && !wait->late && !stop_asked(asked)) {
        co_await wait->changed.wait_op();
        answer = place.answer();
    }
    if (answer) co_return made_of(std::move(*answer));
    co_return http::response(http::status::gateway_timeout);
}

} // namespace detail

PORTUNUS_DECL result<listener_id> listen_pages(const plugin_control& control, http::server_options options,
                                               steady_clock::duration reply_limit) {
    const auto core = detail::core_of(control);
    const std::weak_ptr<detail::plugin_core> weak = core;
    return core->ask([&]() -> result<listener_id> {
        const auto id = std::make_shared<std::atomic<std::uint64_t>>(0);
        auto answer = [weak, id, reply_limit](http::request& r) {
            return detail::answer_page(weak, id, reply_limit, r);
        };
        auto server = http::serve(core->owner(), std::move(options), http::handler(std::move(answer)));
        listening_info info{listener_kind::pages, server.port(), {}};
        for (const auto& e : server.endpoints()) info.endpoints.push_back(to_string(e));
        auto made =
            core->add_listener(std::move(info), [server](bool) { server.stop(stop_mode::graceful); }, {});
        if (!made) {
            server.stop(stop_mode::now);
            return made;
        }
        *id = made->value();
        return made;
    });
}

} // namespace portunus

#endif
