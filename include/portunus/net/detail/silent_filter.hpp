// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_SILENT_FILTER_HPP
#define PORTUNUS_NET_DETAIL_SILENT_FILTER_HPP

#include <portunus/policy/accept_policy.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <linux/filter.h>

namespace portunus::detail {

/// Writes the classic BPF program that a listening socket runs over each segment before the kernel answers
/// it: what would begin a connection (SYN without ACK) from somebody whom the policy refuses is dropped,
/// everything else passes. The program sees the TCP header at 0 and the IP header at SKF_NET_OFF.
///
/// The kernel takes at most 4096 instructions: what does not fit is left to the policy (it passes here).
class silent_filter_writer {
  public:
    using program = std::vector<sock_filter>;

    static program write(const accept_policy::address_part& policy);

  private:
    static constexpr std::uint32_t pass = 0xffffffff, drop = 0;
    static constexpr std::uint32_t network(std::uint32_t offset) {
        return static_cast<std::uint32_t>(SKF_NET_OFF) + offset;
    }
    using words = std::array<std::uint32_t, 4>;

    static words words_of(const policy_detail::flat_address& a) {
        return {static_cast<std::uint32_t>(a.bits.high >> 32), static_cast<std::uint32_t>(a.bits.high),
                static_cast<std::uint32_t>(a.bits.low >> 32), static_cast<std::uint32_t>(a.bits.low)};
    }

    void write_rules(const accept_policy::address_part& policy, bool v6, std::size_t end);

    /// Falls through to its end where the rule does not match.
    void write_rule(const accept_policy::address_part::rule& rule, bool v6);

    /// The source address, word by word, the most significant first: the first word that differs decides.
    void at_least(const words& bound);
    void at_most(const words& bound);

    void emit(int code, std::uint32_t k) { out_.push_back({static_cast<std::uint16_t>(code), 0, 0, k}); }
    /// Leaves the rule when the comparison is true, or is not.
    void when(int comparison, std::uint32_t k) {
        to_end_.emplace_back(out_.size(), true);
        emit(BPF_JMP | comparison | BPF_K, k);
    }
    void unless(int comparison, std::uint32_t k) {
        to_end_.emplace_back(out_.size(), false);
        emit(BPF_JMP | comparison | BPF_K, k);
    }

    program out_;
    std::vector<std::pair<std::size_t, bool>> to_end_;
};

inline std::vector<sock_filter> silent_filter(const accept_policy::address_part& policy) {
    return silent_filter_writer::write(policy);
}

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/silent_filter.ipp>
#endif

#endif
