// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_MDNS_BROWSE_IPP
#define PORTUNUS_NET_IMPL_MDNS_BROWSE_IPP

#include <portunus/net/mdns_browse.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/detail/mdns_browser.hpp>
#include <portunus/net/detail/mdns_question.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace portunus {

PORTUNUS_DECL const std::string* mdns_found::find(std::string_view key) const noexcept {
    for (const auto& pair : text)
        if (detail::dns::same_label(pair.first, key)) return &pair.second;
    return nullptr;
}

namespace detail {

PORTUNUS_DECL std::vector<mdns_found> found_by(const mdns_browser& browser, std::string_view type) {
    std::vector<mdns_found> all;
    for (const mdns_browser::service& s : browser.services()) {
        mdns_found f;
        f.name = std::string(s.owner.first());
        f.type = std::string(type);
        if (!s.host.is_root()) f.host = s.host.text();
        f.port = s.port;
        f.addresses = by_reach(s.addresses);
        f.text = s.text;
        all.push_back(std::move(f));
    }
    std::sort(all.begin(), all.end(),
              [](const mdns_found& a, const mdns_found& b) { return a.name < b.name; });
    return all;
}

PORTUNUS_DECL awaitable<result<std::vector<mdns_found>>> browse(std::string name, std::string type,
                                                                mdns_browse_options options) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    auto owner = service_type(type);
    if (!owner) co_return std::move(owner).error();
    if (options.most == 0 || options.most > 10'000)
        co_return error(errc::invalid_option,
                        "most " + std::to_string(options.most) + " is not 1 to 10000 services");
    mdns_asker::settings where;
    where.on = options.on;
    where.port = options.port;
    where.member = true;
    const auto executor = co_await boost::asio::this_coro::executor;
    struct scene {
        scene(const boost::asio::any_io_executor& e, std::shared_ptr<mdns_browser> b)
            : changed(e), browser(std::move(b)) {}
        ~scene() { browser->close(); }
        event changed;
        std::shared_ptr<mdns_browser> browser;
    } mine(executor, std::make_shared<mdns_browser>(executor, where, std::move(*owner), name, options.most));
    auto begun = mine.browser->start(options.limit, mine.changed);
    if (!begun) co_return std::move(begun).error();
    while (!mine.browser->done() && !stop_asked(asked)) co_await mine.changed.wait_op();
    if (options.counters) *options.counters = mine.browser->counters();
    if (!mine.browser->done()) co_return errc::canceled;
    if (mine.browser->broken().code().failed()) co_return mine.browser->broken();
    auto all = found_by(*mine.browser, type);
    if (!name.empty() && !all.front().complete())
        co_return error(errc::no_answer, "nobody on the link said where \"" + name + "\" of " + type +
                                             " is, within " + in_milliseconds(options.limit) +
                                             mine.browser->ignored());
    co_return all;
}

PORTUNUS_DECL awaitable<result<mdns_found>> browse_one(std::string name, std::string type,
                                                       mdns_browse_options options) {
    if (name.empty() || name.size() > dns::name::most_label)
        co_return error(errc::invalid_name,
                        "a service's name has 1 to 63 bytes, not " + std::to_string(name.size()));
    auto all = co_await browse(std::move(name), std::move(type), options);
    if (!all) co_return std::move(all).error();
    co_return std::move(all->front());
}

} // namespace detail

PORTUNUS_DECL awaitable<result<std::vector<mdns_found>>> mdns_browse(std::string_view type,
                                                                     const mdns_browse_options& options) {
    return detail::browse(std::string(), std::string(type), options);
}
PORTUNUS_DECL awaitable<result<mdns_found>> mdns_find(std::string_view name, std::string_view type,
                                                      const mdns_browse_options& options) {
    return detail::browse_one(std::string(name), std::string(type), options);
}

} // namespace portunus

#endif
