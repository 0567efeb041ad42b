// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_CHANNEL_CLIENT_IPP
#define PORTUNUS_CHANNEL_IMPL_CHANNEL_CLIENT_IPP

#include <portunus/channel/channel_client.hpp>

#include <utility>

namespace portunus {
namespace detail {

struct channel_client_link {
    channel_client_link(const boost::asio::any_io_executor& executor, connector_options o,
                        std::function<awaitable<result<any_stream>>(tcp_stream)> s)
        : calls(executor, std::move(o)), secure(std::move(s)) {}

    connector calls;
    std::function<awaitable<result<any_stream>>(tcp_stream)> secure;
};

/// One connection after the other.
PORTUNUS_DECL awaitable<void> keep_channel_up(std::shared_ptr<channel_core> core,
                                              std::shared_ptr<channel_client_link> link) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    for (;;) {
        auto peer = co_await link->calls.next();
        if (!peer) {
            core->close_for_good(peer.error());
            co_return;
        }
        any_stream stream;
        if (link->secure) {
            auto opening = link->secure(std::move(*peer));
            auto secure = co_await std::move(opening);
            if (!secure) {
                link->calls.reject(secure.error());
                continue;
            }
            stream = std::move(*secure);
        } else {
            stream = any_stream(std::move(*peer));
        }
        if (core->is_stopping()) {
            core->close_for_good(errc::closed_locally);
            co_return;
        }
        core->attach(std::move(stream));
        error why = co_await channel_core::run(core);
        if (core->is_stopping()) {
            core->close_for_good(errc::closed_locally);
            co_return;
        }
        if (core->auth_failure().code().failed()) link->calls.reject(core->auth_failure());
    }
}

PORTUNUS_DECL std::shared_ptr<channel_core> make_client_core(const boost::asio::any_io_executor& executor,
                                                             channel_options options) {
    channel_core::check(options, channel_role::client);
    return std::make_shared<channel_core>(executor, channel_role::client,
                                          std::make_shared<const channel_options>(std::move(options)), true);
}

} // namespace detail

PORTUNUS_DECL channel_client::channel_client(const boost::asio::any_io_executor& executor,
                                             channel_client_options options)
    : channel(detail::make_client_core(executor, std::move(options.channel))),
      link_(std::make_shared<detail::channel_client_link>(executor, std::move(options.link),
                                                          std::move(options.secure))) {
    core_->on_stop = [link = std::weak_ptr(link_)] {
        if (const auto there = link.lock()) there->calls.stop();
    };
    core_->tasks().spawn(detail::keep_channel_up(core_, link_));
}

PORTUNUS_DECL connector& channel_client::link() noexcept {
    return link_->calls;
}

} // namespace portunus

#endif
