// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_RESOLVER_IPP
#define PORTUNUS_NET_IMPL_RESOLVER_IPP

#include <portunus/net/impl/resolver.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <netdb.h>
#include <sys/socket.h>

namespace portunus::detail {

PORTUNUS_DECL std::string flaw_of_name(std::string_view name) {
    if (name.empty()) return "the name is empty";
    if (name.ends_with('.')) name.remove_suffix(1); // the root, said explicitly
    if (name.size() > 253)
        return "the name has " + std::to_string(name.size()) + " bytes, more than the 253 that are possible";
    std::size_t label = 0;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '.') {
            if (label == 0) return "the name has an empty label";
            label = 0;
            continue;
        }
        if (byte <= ' ' || byte == 127 || c == '/' || c == ':' || c == '%' || c == '[' || c == ']' ||
            c == '@' || c == ',')
            return "the name contains a byte " + std::to_string(byte) + ", which no name has";
        if (++label > 63) return "the name has a label of more than 63 bytes";
    }
    return label == 0 ? "the name has an empty label" : std::string();
}

PORTUNUS_DECL void name_question::ask() {
    if (name.empty())
        ask_for_name();
    else
        ask_for_addresses();
    if (failed == EAI_SYSTEM) number = errno;
}

PORTUNUS_DECL void name_question::ask_for_addresses() {
    addrinfo hints = {};
    hints.ai_family = family == address_family::v4   ? AF_INET
                      : family == address_family::v6 ? AF_INET6
                                                     : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM; // one entry an address, not one a protocol
    addrinfo* list = nullptr;
    failed = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
    if (failed != 0) return;
    for (const addrinfo* i = list; i; i = i->ai_next) {
        boost::asio::ip::tcp::endpoint e;
        if ((i->ai_family != AF_INET && i->ai_family != AF_INET6) || i->ai_addrlen > e.capacity()) continue;
        std::memcpy(e.data(), i->ai_addr, i->ai_addrlen);
        e.resize(i->ai_addrlen);
        if (std::find(found.begin(), found.end(), e.address()) == found.end()) found.push_back(e.address());
    }
    ::freeaddrinfo(list);
    if (found.empty()) failed = EAI_NONAME;
}

PORTUNUS_DECL void name_question::ask_for_name() {
    const boost::asio::ip::tcp::endpoint e(address, 0);
    char text[NI_MAXHOST];
    failed =
        ::getnameinfo(e.data(), static_cast<socklen_t>(e.size()), text, sizeof text, nullptr, 0, NI_NAMEREQD);
    if (failed == 0) found_name = text;
}

PORTUNUS_DECL name_service::name_service(boost::asio::execution_context& context)
    : service(context), shared_(std::make_shared<shared>()) {
    shared_->context = static_cast<boost::asio::io_context*>(&context);
    shared_->service = this;
}

PORTUNUS_DECL name_service& name_service::of(const boost::asio::any_io_executor& executor) {
    return boost::asio::use_service<name_service>(
        boost::asio::query(executor, boost::asio::execution::context));
}

PORTUNUS_DECL void name_service::answered(name_question q) {
    for (waiter* w = waiters_.front(); w; w = waiters_.after(*w)) {
        if (w->id_ != q.id) continue;
        w->answer = std::move(q);
        w->done = true;
        w->changed.notify();
        return;
    }
}

PORTUNUS_DECL void name_service::forget(waiter& w) {
    w.unlink();
    if (!w.done && w.id_ != 0) shared_->forget(w.id_);
}

PORTUNUS_DECL void name_service::shutdown() {
    const std::lock_guard lock(shared_->mutex);
    shared_->context = nullptr;
    shared_->questions.clear();
    shared_->more.notify_all();
}

/// What the system's number means for whoever asked.
PORTUNUS_DECL error name_failure(const name_question& q, const std::string& what) {
    switch (q.failed) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
        return error(errc::host_not_found, what);
    case EAI_AGAIN:
        return error(errc::no_answer, what);
    case EAI_FAIL:
        return error(errc::no_answer, what + ": the name server answered with a failure");
    case EAI_MEMORY:
        return error(boost::asio::error::no_memory, "resolving " + what);
    case EAI_SYSTEM:
        return error(boost::system::error_code(q.number, boost::system::system_category()),
                     "resolving " + what);
    default:
        return error(boost::system::error_code(q.failed, boost::asio::error::get_addrinfo_category()),
                     "resolving " + what);
    }
}

PORTUNUS_DECL awaitable<result<name_question>> ask(name_question question, steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    const std::string what = question.name.empty() ? question.address.to_string() : '"' + question.name + '"';
    const auto executor = co_await boost::asio::this_coro::executor;
    struct watch {
        explicit watch(const boost::asio::any_io_executor& e) : waiter(e) {}
        name_service::waiter waiter;
        bool late = false;
    } mine(executor);
    deadline late(deadline_service::of(executor), &mine, [](void* self) {
        static_cast<watch*>(self)->late = true;
        static_cast<watch*>(self)->waiter.changed.notify();
    });
    late.arm(limit);
    if (!mine.waiter.ask(std::move(question)))
        co_return error(errc::queue_full,
                        "resolving " + what + ": " + std::to_string(name_service::most_waiting) +
                            " questions wait already, or the system has no thread for them");
    while (!mine.waiter.done && !mine.late && !stop_asked(asked)) co_await mine.waiter.changed.wait_op();
    if (mine.waiter.done) {
        if (mine.waiter.answer.failed == 0) co_return std::move(mine.waiter.answer);
        co_return name_failure(mine.waiter.answer, what);
    }
    if (mine.late)
        co_return error(errc::resolve_timeout, what + " was not resolved within " + in_milliseconds(limit));
    co_return errc::canceled;
}

/// How long the link is given to answer; nobody there waits for more than a fifth of a second.
inline constexpr steady_clock::duration link_limit = std::chrono::seconds(2);
/// How long an answer of the link waits for the system's, whose files have the first word.
inline constexpr steady_clock::duration head_start = std::chrono::milliseconds(250);

/// Asks the system and the link at the same time. Whether the system asks the link, too, depends on how the
/// machine was set up, and if it does not, a name server that does not answer must not hold up a neighbour
/// who has.
PORTUNUS_DECL awaitable<result<name_question>> ask_link_too(name_question question,
                                                            mdns_question::wanted wanted,
                                                            mdns_asker::settings where,
                                                            steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    const std::string what = '"' + wanted.owner.text() + '"';
    const auto executor = co_await boost::asio::this_coro::executor;
    struct watch {
        watch(const boost::asio::any_io_executor& e, std::shared_ptr<mdns_question> q)
            : waiter(e), link(std::move(q)) {}
        ~watch() { link->close(); }
        static void late_now(void* self) {
            static_cast<watch*>(self)->late = true;
            static_cast<watch*>(self)->waiter.changed.notify();
        }
        static void waited_now(void* self) {
            static_cast<watch*>(self)->waited = true;
            static_cast<watch*>(self)->waiter.changed.notify();
        }
        name_service::waiter waiter;
        std::shared_ptr<mdns_question> link;
        bool late = false, waited = false;
    } mine(executor, std::make_shared<mdns_question>(executor, where, std::move(wanted)));
    auto& time = deadline_service::of(executor);
    deadline late(time, &mine, &watch::late_now), waited(time, &mine, &watch::waited_now);
    late.arm(limit);
    waited.arm(head_start);
    if (!mine.waiter.ask(std::move(question)))
        co_return error(errc::queue_full,
                        "resolving " + what + ": " + std::to_string(name_service::most_waiting) +
                            " questions wait already, or the system has no thread for them");
    const bool asks = mine.link->start(std::min(limit, link_limit), mine.waiter.changed).has_value();
    for (;;) {
        if (mine.waiter.done && mine.waiter.answer.failed == 0) co_return std::move(mine.waiter.answer);
        const bool ended = !asks || mine.link->done();
        if (ended && mine.link->answered() && (mine.waiter.done || mine.waited)) {
            mine.waiter.answer.found = mine.link->addresses();
            mine.waiter.answer.found_name = mine.link->name();
            co_return std::move(mine.waiter.answer);
        }
        if (ended && mine.waiter.done)
            co_return name_failure(mine.waiter.answer,
                                   what + (asks ? ", for which nobody on the link answered either" : ""));
        if (mine.late)
            co_return error(errc::resolve_timeout,
                            what + " was not resolved within " + in_milliseconds(limit));
        if (stop_asked(asked)) co_return errc::canceled;
        co_await mine.waiter.changed.wait_op();
    }
}

PORTUNUS_DECL awaitable<result<resolved_addresses>> resolve_addresses(std::string name,
                                                                      resolve_options options) {
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(name, ec);
    if (!ec) {
        const bool wanted = options.family == address_family::any ||
                            (options.family == address_family::v4) == address.is_v4();
        if (!wanted) co_return error(errc::host_not_found, name + " is not of the family that is wanted");
        resolved_addresses itself;
        itself.push_back(address);
        co_return itself;
    }
    if (std::string flaw = flaw_of_name(name); !flaw.empty()) co_return error(errc::invalid_name, flaw);
    name_question question;
    question.name = std::move(name);
    question.family = options.family;
    if (options.mdns && is_local_name(question.name)) {
        const int family = options.family == address_family::v4   ? 4
                           : options.family == address_family::v6 ? 6
                                                                  : 0;
        auto wanted = mdns_question::addresses_of(question.name, family);
        if (!wanted) co_return std::move(wanted).error();
        auto heard = co_await ask_link_too(std::move(question), std::move(*wanted), mdns_asker::settings(),
                                           options.limit);
        if (!heard) co_return std::move(heard).error();
        co_return std::move(heard->found);
    }
    auto answer = co_await ask(std::move(question), options.limit);
    if (!answer) co_return std::move(answer).error();
    co_return std::move(answer->found);
}

PORTUNUS_DECL awaitable<result<std::string>> resolve_name(boost::asio::ip::address address,
                                                          resolve_options options) {
    name_question question;
    question.address = address;
    mdns_asker::settings where;
    if (options.mdns && is_link_local(address)) {
        if (address.is_v6()) where.on = static_cast<std::uint32_t>(address.to_v6().scope_id());
        auto owner = mdns_question::name_of(address);
        auto heard = co_await ask_link_too(std::move(question), std::move(owner), where, options.limit);
        if (!heard) co_return std::move(heard).error();
        co_return std::move(heard->found_name);
    }
    const auto executor = co_await boost::asio::this_coro::executor;
    const auto end = deadline_service::of(executor).now() + options.limit;
    auto answer = co_await ask(std::move(question), options.limit);
    if (answer) co_return std::move(answer->found_name);
    const auto left = end - deadline_service::of(executor).now();
    const bool unknown = answer.error() == errc::host_not_found || answer.error() == errc::no_answer;
    if (options.mdns && unknown && left > left.zero() && is_private_on_link(address)) {
        auto owner = mdns_question::name_of(address);
        auto heard = co_await ask_mdns(std::move(owner), where, std::min(left, link_limit), nullptr);
        if (heard) co_return (*heard)->name();
        if (heard.error() == errc::canceled) co_return std::move(heard).error();
    }
    co_return std::move(answer).error();
}

} // namespace portunus::detail

namespace portunus {

PORTUNUS_DECL awaitable<result<std::vector<boost::asio::ip::address>>>
resolve(std::string_view name, const resolve_options& options) {
    return detail::resolve_addresses(std::string(name), options);
}

PORTUNUS_DECL awaitable<result<std::string>> resolve_name(const boost::asio::ip::address& address,
                                                          const resolve_options& options) {
    return detail::resolve_name(address, options);
}

} // namespace portunus

#endif
