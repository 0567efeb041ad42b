// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_STATUS_HPP
#define PORTUNUS_NET_IMPL_STATUS_HPP

#include <portunus/net/status.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/detail/tcp_info.hpp>
#include <portunus/net/peer_info.hpp>

#include <sys/socket.h>

namespace portunus {
namespace detail {

PORTUNUS_DECL std::optional<std::uint8_t> type_of_service(int fd, bool v6) noexcept;

template <class Duration>
std::optional<Duration> time_of(std::optional<std::uint32_t> value) noexcept {
    if (!value) return std::nullopt;
    return Duration(*value);
}

/// What the kernel's block says; `tcp_status` of an older kernel is a shorter block.
PORTUNUS_DECL void read_block(const tcp_info_block& info, tcp_status& s) noexcept;

template <class Visitor, class T>
void visit_field(Visitor& visit, std::string_view name, const std::optional<T>& value) {
    if (value) visit(name, static_cast<std::uint64_t>(*value));
}
template <class Visitor, class Period>
void visit_field(Visitor& visit, std::string_view name,
                 const std::optional<std::chrono::duration<std::int64_t, Period>>& value) {
    if (value) visit(name, static_cast<std::uint64_t>(value->count()));
}

/// The file as it is now; it is small.
PORTUNUS_DECL result<std::string> read_proc(const char* path);

} // namespace detail

template <class Visitor>
void for_each_field(const tcp_status& s, Visitor&& visit) {
    const auto field = [&](std::string_view name, const auto& value) {
        detail::visit_field(visit, name, value);
    };
    visit(std::string_view("local"), std::string_view(to_string(s.local)));
    visit(std::string_view("remote"), std::string_view(to_string(s.remote)));
    visit(std::string_view("state"), to_string(s.state));
    visit(std::string_view("reason"), to_string(s.reason));
    visit(std::string_view("bytes_read"), s.bytes_read);
    visit(std::string_view("bytes_written"), s.bytes_written);
    field("send_window", s.send_window);
    field("receive_window", s.receive_window);
    field("unacknowledged", s.unacknowledged);
    field("unsent", s.unsent);
    field("unread", s.unread);
    field("congestion_window", s.congestion_window);
    field("writable_estimate", s.writable_estimate);
    field("rtt_us", s.rtt);
    field("rtt_variance_us", s.rtt_variance);
    field("min_rtt_us", s.min_rtt);
    field("rto_us", s.rto);
    field("mss", s.mss);
    field("path_mtu", s.path_mtu);
    field("type_of_service", s.type_of_service);
    field("retransmissions", s.retransmissions);
    field("bytes_retransmitted", s.bytes_retransmitted);
    field("duplicates", s.duplicates);
    field("out_of_order", s.out_of_order);
    field("bytes_out", s.bytes_out);
    field("bytes_acknowledged", s.bytes_acknowledged);
    field("bytes_in", s.bytes_in);
    field("segments_out", s.segments_out);
    field("segments_in", s.segments_in);
    field("since_sent_ms", s.since_sent);
    field("since_received_ms", s.since_received);
}

template <class Visitor>
void for_each_field(const listening_endpoint& e, Visitor&& visit) {
    visit(std::string_view("local"), std::string_view(to_string(e.local)));
    detail::visit_field(visit, "queued", e.queued);
    detail::visit_field(visit, "backlog", e.backlog);
}

template <class Visitor>
void for_each_field(const tcp_global& g, Visitor&& visit) {
    const auto field = [&](std::string_view name, const auto& value) {
        detail::visit_field(visit, name, value);
    };
    field("rto_algorithm", g.rto_algorithm);
    field("rto_min_ms", g.rto_min_ms);
    field("rto_max_ms", g.rto_max_ms);
    field("max_connections", g.max_connections);
    field("active_opens", g.active_opens);
    field("passive_opens", g.passive_opens);
    field("attempts_failed", g.attempts_failed);
    field("resets", g.resets);
    field("established", g.established);
    field("segments_in", g.segments_in);
    field("segments_out", g.segments_out);
    field("segments_retransmitted", g.segments_retransmitted);
    field("errors_in", g.errors_in);
    field("resets_out", g.resets_out);
    field("checksum_errors_in", g.checksum_errors_in);
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/status.ipp>
#endif

#endif
