// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_TCP_INFO_HPP
#define PORTUNUS_NET_DETAIL_TCP_INFO_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace portunus::detail {

/// Where a field stands in what TCP_INFO gives: a part of the kernel's interface that only ever grows at its
/// end. The system's header may be older, or newer, than the kernel that runs, so it is not asked.
template <class T>
struct tcp_info_field {
    std::size_t offset;
};

namespace tcp_info_fields {
inline constexpr tcp_info_field<std::uint8_t> state{0};
inline constexpr tcp_info_field<std::uint32_t> rto{8}; // microseconds, as all times of the path
inline constexpr tcp_info_field<std::uint32_t> send_mss{16};
inline constexpr tcp_info_field<std::uint32_t> receive_mss{20};
inline constexpr tcp_info_field<std::uint32_t> queued{24};         // of a listening socket
inline constexpr tcp_info_field<std::uint32_t> backlog{28};        // of a listening socket
inline constexpr tcp_info_field<std::uint32_t> last_data_sent{44}; // milliseconds, as all ages
inline constexpr tcp_info_field<std::uint32_t> last_data_received{52};
inline constexpr tcp_info_field<std::uint32_t> path_mtu{60};
inline constexpr tcp_info_field<std::uint32_t> rtt{68};
inline constexpr tcp_info_field<std::uint32_t> rtt_variance{72};
inline constexpr tcp_info_field<std::uint32_t> congestion_window{80}; // segments
inline constexpr tcp_info_field<std::uint32_t> retransmissions{100};  // segments
inline constexpr tcp_info_field<std::uint64_t> bytes_acknowledged{120};
inline constexpr tcp_info_field<std::uint64_t> bytes_received{128};
inline constexpr tcp_info_field<std::uint32_t> segments_out{136};
inline constexpr tcp_info_field<std::uint32_t> segments_in{140};
inline constexpr tcp_info_field<std::uint32_t> min_rtt{148};
inline constexpr tcp_info_field<std::uint64_t> bytes_out{200};
inline constexpr tcp_info_field<std::uint64_t> bytes_retransmitted{208};
inline constexpr tcp_info_field<std::uint32_t> duplicates{216};
inline constexpr tcp_info_field<std::uint32_t> out_of_order{224};
inline constexpr tcp_info_field<std::uint32_t> send_window{228};
inline constexpr tcp_info_field<std::uint32_t> receive_window{232};
} // namespace tcp_info_fields

/// What the kernel tells about a TCP socket; it says itself how much of it there is.
class tcp_info_block {
  public:
    /// Asks the kernel. For -1, or what is no TCP socket, every field is absent.
    explicit tcp_info_block(int fd) noexcept {
        auto size = static_cast<socklen_t>(bytes_.size());
        if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, bytes_.data(), &size) == 0) size_ = size;
    }
    /// What an older kernel would have said: `size` bytes of `bytes`.
    tcp_info_block(const void* bytes, std::size_t size) noexcept
        : size_(size < bytes_.size() ? size : bytes_.size()) {
        std::memcpy(bytes_.data(), bytes, size_);
    }

    std::size_t size() const noexcept { return size_; }

    template <class T>
    std::optional<T> operator[](tcp_info_field<T> field) const noexcept {
        if (field.offset + sizeof(T) > size_) return std::nullopt;
        T value;
        std::memcpy(&value, bytes_.data() + field.offset, sizeof value);
        return value;
    }

  private:
    std::array<unsigned char, 512> bytes_{};
    std::size_t size_ = 0;
};

/// The kernel's own number of the connection's state (TCP_ESTABLISHED is 1); TCP_CLOSE where there is none.
inline int tcp_state_of(int fd) noexcept {
    std::uint8_t state = TCP_CLOSE;
    socklen_t size = sizeof state;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) == 0 ? state : int(TCP_CLOSE);
}

} // namespace portunus::detail

#endif
