// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_PING_HPP
#define PORTUNUS_NET_IMPL_PING_HPP

#include <portunus/net/ping.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

namespace portunus::detail {

/// The bytes of a question, and which bytes answer it.
class echo_message {
  public:
    static constexpr std::size_t header = 8;

    /// `token` is what tells this question from everybody else's: a raw socket hears all answers.
    echo_message(bool v6, std::uint64_t token, std::size_t size) : v6_(v6), token_(token) {
        bytes_.assign(header + size, 0x5a);
        bytes_[0] = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
        bytes_[1] = 0;
        std::memcpy(&bytes_[4], &token, 4); // identifier and number
        std::memcpy(&bytes_[header], &token, sizeof token);
        bytes_[2] = bytes_[3] = 0;
        if (!v6) { // for ICMPv6 the kernel does it, as the addresses are a part of it
            const std::uint16_t sum = checksum(bytes_.data(), bytes_.size());
            std::memcpy(&bytes_[2], &sum, sizeof sum);
        }
    }

    const std::vector<std::uint8_t>& bytes() const noexcept { return bytes_; }

    /// Whether what was received is the answer. A raw IPv4 socket gives the IP header as well.
    bool answered_by(const std::uint8_t* data, std::size_t size, bool with_ip_header) const noexcept {
        if (with_ip_header) {
            if (size < 20) return false;
            const std::size_t ip = static_cast<std::size_t>(data[0] & 0x0f) * 4;
            if (ip < 20 || size < ip) return false;
            data += ip;
            size -= ip;
        }
        return size == bytes_.size() && data[0] == (v6_ ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
               std::memcmp(data + header, &token_, sizeof token_) == 0;
    }

    /// RFC 1071, in the byte order of the data.
    static std::uint16_t checksum(const std::uint8_t* data, std::size_t size) noexcept {
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < size; i += 2) {
            std::uint16_t word = 0;
            std::memcpy(&word, data + i, std::min<std::size_t>(2, size - i));
            sum += word;
        }
        while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
        return static_cast<std::uint16_t>(~sum);
    }

  private:
    bool v6_;
    std::uint64_t token_;
    std::vector<std::uint8_t> bytes_;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/ping.ipp>
#endif

#endif
