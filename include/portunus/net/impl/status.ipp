// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_STATUS_IPP
#define PORTUNUS_NET_IMPL_STATUS_IPP

#include <portunus/net/impl/status.hpp>

#include <portunus/core/close_reason.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/connection_state.hpp>
#include <portunus/net/detail/tcp_info.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/tcp_listener.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace portunus {
namespace detail {

PORTUNUS_DECL std::optional<std::uint32_t> queue_of(int fd, unsigned long which) noexcept {
    int n = 0;
    if (::ioctl(fd, which, &n) != 0 || n < 0) return std::nullopt;
    return static_cast<std::uint32_t>(n);
}

/// The free part of the send buffer, in the kernel's own bytes.
PORTUNUS_DECL std::optional<std::uint64_t> send_buffer_left(int fd) noexcept {
#ifdef SO_MEMINFO
    std::array<std::uint32_t, 16> memory{}; // SK_MEMINFO_SNDBUF is 3, SK_MEMINFO_WMEM_QUEUED 5
    auto size = static_cast<socklen_t>(sizeof memory);
    if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) == 0 && size >= 6 * sizeof memory[0])
        return memory[3] - std::min(memory[3], memory[5]);
#endif
    int buffer = 0;
    socklen_t length = sizeof buffer;
    const auto queued = queue_of(fd, SIOCOUTQ);
    if (!queued || ::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &length) != 0 || buffer < 0)
        return std::nullopt;
    const auto all = static_cast<std::uint32_t>(buffer);
    return all - std::min(all, *queued);
}

PORTUNUS_DECL std::optional<std::uint8_t> type_of_service(int fd, bool v6) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    const int failed = v6 ? ::getsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &value, &size)
                          : ::getsockopt(fd, IPPROTO_IP, IP_TOS, &value, &size);
    if (failed || value < 0) return std::nullopt;
    return static_cast<std::uint8_t>(value);
}

/// A time that is 0, or all ones, before there is a sample.
PORTUNUS_DECL std::optional<std::chrono::microseconds>
sample_of(std::optional<std::uint32_t> value) noexcept {
    if (value == std::uint32_t(0) || value == UINT32_MAX) return std::nullopt;
    return time_of<std::chrono::microseconds>(value);
}

PORTUNUS_DECL void read_block(const tcp_info_block& info, tcp_status& s) noexcept {
    using namespace tcp_info_fields;
    using std::chrono::microseconds, std::chrono::milliseconds;
    if (const auto number = info[state]) s.state = tcp_state_from_kernel(*number);
    s.send_window = info[send_window];
    s.receive_window = info[receive_window];
    s.mss = info[send_mss];
    if (const auto segments = info[congestion_window]; segments && s.mss)
        s.congestion_window = std::uint64_t(*segments) * *s.mss;
    s.rtt = sample_of(info[rtt]);
    if (s.rtt) s.rtt_variance = time_of<microseconds>(info[rtt_variance]);
    s.min_rtt = sample_of(info[min_rtt]);
    s.rto = time_of<microseconds>(info[rto]);
    s.path_mtu = info[path_mtu];
    s.retransmissions = info[retransmissions];
    s.bytes_retransmitted = info[bytes_retransmitted];
    s.duplicates = info[duplicates];
    s.out_of_order = info[out_of_order];
    s.bytes_out = info[bytes_out];
    s.bytes_acknowledged = info[bytes_acknowledged];
    s.bytes_in = info[bytes_received];
    s.segments_out = info[segments_out];
    s.segments_in = info[segments_in];
    s.since_sent = time_of<milliseconds>(info[last_data_sent]);
    s.since_received = time_of<milliseconds>(info[last_data_received]);
}

/// Writes "name=value " for each field.
class line_writer {
  public:
    void operator()(std::string_view name, std::string_view value) {
        begin(name);
        text_ += value;
    }
    void operator()(std::string_view name, std::uint64_t value) {
        begin(name);
        text_ += std::to_string(value);
    }
    std::string take() { return std::move(text_); }

  private:
    void begin(std::string_view name) {
        if (!text_.empty()) text_ += ' ';
        text_.append(name) += '=';
    }
    std::string text_;
};

PORTUNUS_DECL result<std::string> read_proc(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return system_error(errno).with(path);
    std::string text;
    std::array<char, 4096> piece;
    ssize_t n = 0;
    while ((n = ::read(fd, piece.data(), piece.size())) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 || text.size() > (std::size_t{1} << 20)) break;
        text.append(piece.data(), static_cast<std::size_t>(n));
    }
    const int number = errno;
    ::close(fd);
    if (n < 0) return system_error(number).with(path);
    return text;
}

/// Cuts off and returns what stands before the next `separator`.
PORTUNUS_DECL std::string_view next_piece(std::string_view& text, char separator) noexcept {
    const std::size_t end = text.find(separator);
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return piece;
}

} // namespace detail

PORTUNUS_DECL std::optional<std::uint32_t> tcp_status::window_left() const noexcept {
    if (!send_window || !unacknowledged) return std::nullopt;
    return *send_window - std::min(*send_window, *unacknowledged);
}

PORTUNUS_DECL result<tcp_status> status(const tcp_stream& stream) {
    if (!detail::tcp_stream_state::pointer_of(stream)) return errc::not_connected;
    tcp_status s;
    s.local = stream.local_endpoint();
    s.remote = stream.remote_endpoint();
    s.reason = stream.reason();
    s.bytes_read = stream.bytes_received();
    s.bytes_written = stream.bytes_sent();
    const int fd = stream.native_handle();
    if (fd < 0) return s;
    detail::read_block(detail::tcp_info_block(fd), s);
    s.unread = detail::queue_of(fd, SIOCINQ);
    s.unsent = detail::queue_of(fd, SIOCOUTQNSD);
    if (const auto all = detail::queue_of(fd, SIOCOUTQ); all && s.unsent)
        s.unacknowledged = *all - std::min(*all, *s.unsent);
    s.writable_estimate = detail::send_buffer_left(fd);
    const auto address = s.local.address();
    s.type_of_service = detail::type_of_service(fd, address.is_v6() && !address.to_v6().is_v4_mapped());
    return s;
}

PORTUNUS_DECL std::string to_string(const tcp_status& s) {
    detail::line_writer line;
    for_each_field(s, line);
    return line.take();
}

PORTUNUS_DECL result<listener_status> status(const tcp_listener& listener) {
    // Nothing is changed through it; the state has no way in for who may only look.
    const auto& state = detail::tcp_listener_state::of(const_cast<tcp_listener&>(listener));
    if (!state || state->doors.empty()) return errc::listener_closed;
    listener_status s;
    s.paused = listener.paused();
    s.stopped = listener.stopped();
    for (const auto& door : state->doors) {
        const detail::tcp_info_block info(door.descriptor);
        listening_endpoint e{door.where, info[detail::tcp_info_fields::queued],
                             info[detail::tcp_info_fields::backlog]};
        s.queued += e.queued.value_or(0);
        s.endpoints.push_back(e);
    }
    return s;
}

PORTUNUS_DECL std::string to_string(const listener_status& s) {
    detail::line_writer line;
    line("queued", s.queued);
    line("paused", std::string_view(s.paused ? "true" : "false"));
    line("stopped", std::string_view(s.stopped ? "true" : "false"));
    std::string text = line.take();
    for (const listening_endpoint& e : s.endpoints) {
        detail::line_writer one;
        for_each_field(e, one);
        text += " [" + one.take() + ']';
    }
    return text;
}

PORTUNUS_DECL result<tcp_global> parse_tcp_global(std::string_view snmp) {
    // A line of names, then a line of numbers, for each protocol: "Tcp: RtoAlgorithm RtoMin ...".
    constexpr std::string_view mark = "Tcp: ";
    std::string_view names, numbers;
    while (!snmp.empty()) {
        const std::string_view line = detail::next_piece(snmp, '\n');
        if (line.substr(0, mark.size()) != mark) continue;
        (names.empty() ? names : numbers) = line.substr(mark.size());
        if (!numbers.empty()) break;
    }
    if (numbers.empty()) return error(errc::malformed_frame, "/proc/net/snmp has no two lines about Tcp");
    tcp_global g;
    using field = std::pair<std::string_view, std::optional<std::uint64_t> tcp_global::*>;
    static constexpr field known[] = {
        {"RtoAlgorithm", &tcp_global::rto_algorithm},
        {"RtoMin", &tcp_global::rto_min_ms},
        {"RtoMax", &tcp_global::rto_max_ms},
        {"MaxConn", &tcp_global::max_connections},
        {"ActiveOpens", &tcp_global::active_opens},
        {"PassiveOpens", &tcp_global::passive_opens},
        {"AttemptFails", &tcp_global::attempts_failed},
        {"EstabResets", &tcp_global::resets},
        {"CurrEstab", &tcp_global::established},
        {"InSegs", &tcp_global::segments_in},
        {"OutSegs", &tcp_global::segments_out},
        {"RetransSegs", &tcp_global::segments_retransmitted},
        {"InErrs", &tcp_global::errors_in},
        {"OutRsts", &tcp_global::resets_out},
        {"InCsumErrors", &tcp_global::checksum_errors_in},
    };
    while (!names.empty()) {
        const std::string_view name = detail::next_piece(names, ' ');
        const std::string_view number = detail::next_piece(numbers, ' ');
        const bool unlimited = number == "-1";
        std::uint64_t value = 0;
        const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), value);
        if (!unlimited && (failed != std::errc() || end != number.data() + number.size() || number.empty()))
            return error(errc::malformed_frame,
                         "/proc/net/snmp: Tcp " + std::string(name) + " is \"" + std::string(number) + '"');
        for (const auto& [known_name, member] : known)
            if (known_name == name && !unlimited) g.*member = value;
    }
    return g;
}

PORTUNUS_DECL result<tcp_global> tcp_global_status() {
    auto text = detail::read_proc("/proc/net/snmp");
    if (!text) return std::move(text).error();
    return parse_tcp_global(*text);
}

PORTUNUS_DECL std::string to_string(const tcp_global& g) {
    detail::line_writer line;
    for_each_field(g, line);
    return line.take();
}

} // namespace portunus

#endif
