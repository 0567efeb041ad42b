// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_MDNS_QUESTION_IPP
#define PORTUNUS_NET_DETAIL_IMPL_MDNS_QUESTION_IPP

#include <portunus/net/detail/mdns_question.hpp>

#include <algorithm>
#include <portunus/core/detail/config.hpp>
#include <random>
#include <utility>

namespace portunus::detail {

PORTUNUS_DECL bool is_local_name(std::string_view name) noexcept {
    if (name.ends_with('.')) name.remove_suffix(1);
    constexpr std::string_view end = ".local";
    return name.size() > end.size() && dns::same_label(name.substr(name.size() - end.size()), end);
}

PORTUNUS_DECL bool is_link_local(const boost::asio::ip::address& a) noexcept {
    const auto address = normalised(a);
    return address.is_v4() ? (address.to_v4().to_uint() >> 16) == 0xa9fe : address.to_v6().is_link_local();
}

PORTUNUS_DECL bool is_private_on_link(const boost::asio::ip::address& a) {
    const auto address = normalised(a);
    if (address.is_v4()) {
        const std::uint32_t n = address.to_v4().to_uint();
        if (n >> 24 != 10 && n >> 20 != 0xac1 && n >> 16 != 0xc0a8) return false;
    } else if ((address.to_v6().to_bytes()[0] & 0xfe) != 0xfc) {
        return false;
    }
    const auto present = interfaces();
    if (!present) return false;
    for (const network_interface& i : *present)
        for (const interface_address& own : i.addresses)
            if (suits_mdns(i) && own.on_subnet(address)) return true;
    return false;
}

PORTUNUS_DECL std::string in_milliseconds(steady_clock::duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + " ms";
}

PORTUNUS_DECL std::uint16_t random_id() {
    std::random_device random; // kilobytes: not in a coroutine's frame
    return static_cast<std::uint16_t>(random());
}

PORTUNUS_DECL mdns_question::mdns_question(const boost::asio::any_io_executor& executor, const settings& s,
                                           wanted w)
    : mdns_asker(executor, s), wanted_(std::move(w)), id_(random_id()) {
    if (wanted_.v4) types_.push_back(dns::type_a);
    if (wanted_.v6) types_.push_back(dns::type_aaaa);
    if (wanted_.name) types_.push_back(dns::type_ptr);
}

PORTUNUS_DECL auto mdns_question::addresses_of(std::string_view name, int family) -> result<wanted> {
    auto owner = dns::name::parse(name);
    if (!owner) return owner.error();
    return wanted{std::move(*owner), family != 6, family != 4, false};
}

PORTUNUS_DECL auto mdns_question::name_of(const boost::asio::ip::address& address) -> wanted {
    return {dns::reverse_name(normalised(address)), false, false, true};
}

/// One question a message: simple devices look at no second one.
PORTUNUS_DECL std::string_view mdns_question::write(std::size_t n, std::span<char> room) {
    if (n >= types_.size()) return {};
    dns::message_writer w(room, id_, 0);
    (void)w.add_question(wanted_.owner, types_[n], false);
    return w.bytes();
}

PORTUNUS_DECL bool mdns_question::take(const dns::message& m, const datagram& d) {
    if (m.id() != id_) return false;
    bool ours = true;
    m.each_question([&](const dns::question_view& q) { // it is repeated in the answer (RFC 6762 6.7)
        const bool asked = std::find(types_.begin(), types_.end(), q.type) != types_.end();
        ours = ours && asked && q.owner == wanted_.owner;
    });
    if (!ours) return false;
    bool four = false, six = false, named = false, known = false;
    m.each_record([&](const dns::record_view& r) {
        if (r.where == dns::section::authority || r.klass != dns::class_in || r.ttl == 0) return;
        if (!(r.owner == wanted_.owner)) return;
        known = true;
        if ((r.type == dns::type_a && wanted_.v4) || (r.type == dns::type_aaaa && wanted_.v6)) {
            auto address = r.address();
            if (address.is_v6() && address.to_v6().is_link_local()) {
                auto scoped = address.to_v6();
                scoped.scope_id(d.interface);
                address = scoped;
            }
            const bool usable = !address.is_unspecified() && !address.is_multicast();
            const bool fresh = std::find(addresses_.begin(), addresses_.end(), address) == addresses_.end();
            if (usable && fresh && addresses_.size() < 64) addresses_.push_back(address);
            (r.type == dns::type_a ? four : six) = true;
        } else if (r.type == dns::type_ptr && wanted_.name && name_.empty()) {
            const auto target = r.target().to_name();
            if (!target.is_root()) name_ = target.text();
            named = true;
        }
    });
    if (!known) return false;
    denied_ = true;
    const bool all = wanted_.name ? !name_.empty() : (four || !wanted_.v4) && (six || !wanted_.v6);
    if (all && answered())
        finish();
    else
        finish_within(grace);
    return named || four || six || known;
}

/// A plain order, which needs no routes: who connects tries the families by turns anyway.
PORTUNUS_DECL std::vector<boost::asio::ip::address> by_reach(std::vector<boost::asio::ip::address> all) {
    const auto rank = [](const boost::asio::ip::address& a) {
        if (is_link_local(a)) return 3;
        if (a.is_v4()) return 1;
        return (a.to_v6().to_bytes()[0] & 0xfe) == 0xfc ? 2 : 0;
    };
    std::stable_sort(all.begin(), all.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    return all;
}

PORTUNUS_DECL error mdns_question::failure(steady_clock::duration limit) const {
    const std::string what = '"' + wanted_.owner.text() + '"';
    if (broken().code().failed()) return broken().with("(asking for " + what + " by mDNS)");
    if (denied_)
        return error(errc::host_not_found, what + " has nothing of the kind that is wanted" + ignored());
    return error(errc::no_answer,
                 "nobody on the link answered for " + what + " within " + in_milliseconds(limit) + ignored());
}

/// Whoever waits for a question has one: leaving closes it.
struct mdns_waiting {
    mdns_waiting(const boost::asio::any_io_executor& executor, std::shared_ptr<mdns_question> q)
        : changed(executor), question(std::move(q)) {}
    mdns_waiting(const mdns_waiting&) = delete;
    mdns_waiting& operator=(const mdns_waiting&) = delete;
    ~mdns_waiting() { question->close(); }

    event changed;
    std::shared_ptr<mdns_question> question;
};

PORTUNUS_DECL awaitable<result<std::shared_ptr<mdns_question>>> ask_mdns(mdns_question::wanted w,
                                                                         mdns_asker::settings s,
                                                                         steady_clock::duration limit,
                                                                         mdns_counters* counters) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    const auto executor = co_await boost::asio::this_coro::executor;
    mdns_waiting mine(executor, std::make_shared<mdns_question>(executor, s, std::move(w)));
    auto begun = mine.question->start(limit, mine.changed);
    if (!begun) co_return std::move(begun).error();
    while (!mine.question->done() && !stop_asked(asked)) co_await mine.changed.wait_op();
    if (counters) *counters = mine.question->counters();
    if (mine.question->answered()) co_return mine.question;
    if (!mine.question->done()) co_return errc::canceled;
    co_return mine.question->failure(limit);
}

} // namespace portunus::detail

#endif
