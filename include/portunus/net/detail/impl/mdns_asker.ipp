// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_MDNS_ASKER_IPP
#define PORTUNUS_NET_DETAIL_IMPL_MDNS_ASKER_IPP

#include <portunus/net/detail/mdns_asker.hpp>

#include <boost/asio/co_spawn.hpp>
#include <portunus/core/detail/config.hpp>

#include <exception>
#include <utility>

namespace portunus::detail {

PORTUNUS_DECL mdns_asker::mdns_asker(const boost::asio::any_io_executor& executor, const settings& s)
    : executor_(executor), time_(deadline_service::of(executor)), settings_(s),
      limit_(time_, this, [](void* self) { static_cast<mdns_asker*>(self)->finish(); }),
      again_(time_, this, [](void* self) { static_cast<mdns_asker*>(self)->ask_again(); }),
      extra_(time_, this, [](void* self) { static_cast<mdns_asker*>(self)->ask(); }) {}

PORTUNUS_DECL result<void> mdns_asker::open() {
    auto present = interfaces();
    if (!present) return present.error();
    present_ = std::move(*present);
    auto chosen = settings_.on.index();
    if (!chosen) return chosen.error();
    for (const network_interface& i : present_)
        if (*chosen != 0 ? i.index == *chosen && i.usable() : suits_mdns(i)) append_links(links_, i);
    if (links_.empty())
        return error(errc::no_such_interface, *chosen != 0 ? "the interface is down, or has no address"
                                                           : "no interface that works can do multicast");
    udp_options door;
    door.ports = port_list(settings_.member ? settings_.port : std::uint16_t(0));
    door.reuse = settings_.member;
    door.policy = accept_policy::anyone();
    door.max_datagram = dns::most_message;
    door.hops = door.multicast_hops = 255; // RFC 6762 11
    door.log = logger::silent();
    auto opened = udp_socket::open(executor_, std::move(door));
    if (!opened) return opened.error();
    socket_.emplace(std::move(*opened));
    if (!settings_.member) return {};
    error failed;
    bool joined = false;
    for (const mdns_link& l : links_) {
        auto member = socket_->join(mdns_group_address(l.v6), l.index);
        if (member)
            joined = true;
        else
            failed = member.error();
    }
    if (!joined) return failed;
    return {};
}

PORTUNUS_DECL result<void> mdns_asker::start(steady_clock::duration limit, event& whom) {
    if (auto opened = open(); !opened) return opened;
    whom_ = &whom;
    end_ = now() + limit;
    limit_.arm(limit);
    ask();
    if (counters_.sent == 0) {
        auto why = broken_.code().failed() ? broken_ : error(errc::no_answer, "nothing could be sent");
        close();
        return why;
    }
    broken_ = error();
    again_.arm(pause_);
    boost::asio::co_spawn(executor_, receive(shared_from_this()),
                          [](std::exception_ptr) {}); // no memory: then the limit ends it
    return {};
}

PORTUNUS_DECL void mdns_asker::close() noexcept {
    whom_ = nullptr;
    finish();
}

PORTUNUS_DECL void mdns_asker::finish() noexcept {
    done_ = true;
    limit_.disarm();
    again_.disarm();
    extra_.disarm();
    if (socket_) socket_->close();
    if (whom_) std::exchange(whom_, nullptr)->notify();
}

PORTUNUS_DECL void mdns_asker::finish_within(steady_clock::duration d) {
    if (!done_ && now() + d < end_) {
        end_ = now() + d;
        limit_.arm_at(end_);
    }
}

PORTUNUS_DECL void mdns_asker::ask_within(steady_clock::duration d) {
    if (!done_ && !extra_.armed()) extra_.arm_at(now() + d);
}

PORTUNUS_DECL void mdns_asker::ask() {
    std::array<char, 1440> room; // a packet of Ethernet, by IPv6, too
    for (const mdns_link& l : links_) {
        const auto to = mdns_group(l, settings_.port);
        datagram_source from;
        from.interface = l.index;
        for (std::size_t n = 0;; ++n) {
            const std::string_view bytes = write(n, room);
            if (bytes.empty()) break;
            auto sent = socket_->try_send_from(from, to, bytes);
            ++(sent ? counters_.sent : counters_.unsent);
            if (!sent && !broken_.code().failed()) broken_ = sent.error();
        }
    }
}

PORTUNUS_DECL void mdns_asker::ask_again() {
    ask();
    broken_ = error();
    pause_ *= 2;
    if (now() + pause_ < end_) again_.arm(pause_);
}

PORTUNUS_DECL std::string mdns_asker::ignored() const {
    if (counters_.malformed + counters_.foreign == 0) return {};
    return " (" + std::to_string(counters_.malformed) + " malformed and " +
           std::to_string(counters_.foreign) + " foreign messages were ignored)";
}

PORTUNUS_DECL void mdns_asker::arrived(const datagram& d) {
    dns::flaw wrong;
    if (d.truncated || !dns::message::check(d.bytes, wrong)) {
        ++counters_.malformed;
        return;
    }
    const auto m = dns::message::read(d.bytes);
    if (!m->is_response()) return; // others ask, too
    const bool meant = m->is_plain() && d.sender.port() == settings_.port &&
                       (d.to_multicast || is_on_link(present_, d.sender.address(), d.interface)) &&
                       take(*m, d);
    ++(meant ? counters_.received : counters_.foreign);
}

PORTUNUS_DECL awaitable<void> mdns_asker::receive(std::shared_ptr<mdns_asker> s) {
    while (!s->done_) {
        auto got = co_await s->socket_->receive();
        if (got) {
            s->arrived(*got);
            continue;
        }
        if (s->done_) break;
        s->broken_ = got.error();
        s->finish();
    }
}

} // namespace portunus::detail

#endif
