// SPDX-License-Identifier: BSL-1.0
#include "datagram_port.hpp"

#include <boost/asio/post.hpp>

#include <iostream>
#include <utility>

namespace hub {

using namespace portunus;

namespace {

udp_options door(const options& chosen) {
    udp_options options;
    options.ports = chosen.udp_ports;
    options.interfaces = interface_list{chosen.udp_interface};
    options.policy = chosen.policy;
    options.receive_broadcasts = true;
    options.log = logger(&logger::write_to_stderr, chosen.log);
    return options;
}

/// Without the line's end that socat and nc send with what somebody types.
std::string_view command_in(std::string_view bytes) {
    if (bytes.ends_with('\n')) bytes.remove_suffix(1);
    if (bytes.ends_with('\r')) bytes.remove_suffix(1);
    return bytes;
}

} // namespace

datagram_port::datagram_port(runtime& rt, const options& chosen, const commands& handle,
                             std::string introduction)
    : socket_(rt.get_executor(), door(chosen)), news_(chosen.group, chosen.news_port), handle_(handle),
      introduction_(std::move(introduction)), close_(rt.stop_token(), [this] { socket_.close(); }) {
    source_.interface = interface_choice(chosen.udp_interface).index().value();
    socket_.join(chosen.group, chosen.udp_interface).value();
    rt.spawn(serve());
}

awaitable<void> datagram_port::serve() {
    for (;;) {
        auto got = co_await socket_.receive();
        if (!got) co_return; // closed, as the hub stops
        if (got->truncated) continue;
        const bool to_many = got->to_multicast || got->to_broadcast;
        const std::string_view command = command_in(got->bytes);
        std::string text;
        if (command == "who") {
            text = introduction_;
        } else if (to_many) {
            ++not_for_many_;
            continue;
        } else {
            text = handle_(command).text;
        }
        ++handled_;
        auto sent = co_await socket_.reply(*got, text);
        if (sent)
            ++answered_;
        else
            std::cerr << "udp: " << sent.error().message() << '\n';
    }
}

void datagram_port::tell_group(std::string_view news) {
    if (waiting_.fetch_add(1) >= most_news) {
        --waiting_;
        ++not_told_;
        return;
    }
    boost::asio::post(socket_.get_executor(), [this, text = std::string(news)] {
        --waiting_;
        auto sent = socket_.try_send_from(source_, news_, text);
        if (sent)
            ++told_;
        else
            ++not_told_;
    });
}

void datagram_port::print_summary(std::ostream& out) const {
    const udp_counters n = socket_.counters();
    out << "udp port: " << n.received << " datagrams, " << handled_ << " messages handled, " << answered_
        << " answered; " << n.filtered << " refused; " << not_for_many_ << " not allowed to many; "
        << n.overruns << " lost; " << told_ << " told to the group, " << not_told_ << " not\n";
}

} // namespace hub
