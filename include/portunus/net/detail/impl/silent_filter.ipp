// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_SILENT_FILTER_IPP
#define PORTUNUS_NET_DETAIL_IMPL_SILENT_FILTER_IPP

#include <portunus/net/detail/silent_filter.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/policy/accept_policy.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <linux/filter.h>

namespace portunus::detail {

PORTUNUS_DECL silent_filter_writer::program
silent_filter_writer::write(const accept_policy::address_part& policy) {
    silent_filter_writer w;
    w.out_ = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), // the flags
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, pass),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, network(0)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x60, 0, 1),
        BPF_STMT(BPF_JMP | BPF_JA, 0), // to the part for IPv6, when it is known where that is
    };
    const std::size_t to_v6 = w.out_.size() - 1;
    const std::size_t room = BPF_MAXINSNS - w.out_.size() - 2;
    w.write_rules(policy, false, w.out_.size() + room / 2);
    w.out_[to_v6].k = static_cast<std::uint32_t>(w.out_.size() - to_v6 - 1);
    w.write_rules(policy, true, BPF_MAXINSNS - 1);
    return std::move(w.out_);
}

PORTUNUS_DECL void silent_filter_writer::write_rules(const accept_policy::address_part& policy, bool v6,
                                                     std::size_t end) {
    for (const auto& rule : policy.rules) {
        const auto bounds = rule.from.addresses();
        if (!bounds.any && bounds.first.is_v6 != v6) continue;
        silent_filter_writer one;
        one.write_rule(rule, v6);
        if (out_.size() + one.out_.size() > end) { // no room: the policy itself decides about the rest
            emit(BPF_RET | BPF_K, pass);
            return;
        }
        out_.insert(out_.end(), one.out_.begin(), one.out_.end());
    }
    emit(BPF_RET | BPF_K, !policy.complete || policy.allows_rest ? pass : drop);
}

PORTUNUS_DECL void silent_filter_writer::write_rule(const accept_policy::address_part::rule& rule, bool v6) {
    const auto bounds = rule.from.addresses();
    const port_range ports = rule.from.ports();
    if (!ports.is_any()) {
        emit(BPF_LD | BPF_H | BPF_ABS, 0);
        unless(BPF_JGE, ports.first());
        when(BPF_JGT, ports.last());
    }
    if (!bounds.any && v6) {
        at_least(words_of(bounds.first));
        at_most(words_of(bounds.last));
    } else if (!bounds.any) {
        emit(BPF_LD | BPF_W | BPF_ABS, network(12));
        unless(BPF_JGE, words_of(bounds.first)[3]);
        when(BPF_JGT, words_of(bounds.last)[3]);
    }
    emit(BPF_RET | BPF_K, rule.allows ? pass : drop);
    for (const auto& [at, on_true] : to_end_) { // a rule has less than the 255 that a jump can skip
        const auto skip = static_cast<std::uint8_t>(out_.size() - at - 1);
        (on_true ? out_[at].jt : out_[at].jf) = skip;
    }
}

PORTUNUS_DECL void silent_filter_writer::at_least(const words& bound) {
    std::vector<std::size_t> to_next;
    for (std::uint32_t i = 0; i < 4; ++i) {
        emit(BPF_LD | BPF_W | BPF_ABS, network(8 + 4 * i));
        to_next.push_back(out_.size());
        emit(BPF_JMP | BPF_JGT | BPF_K, bound[i]); // greater: it is enough
        unless(BPF_JEQ, bound[i]);
    }
    for (const std::size_t at : to_next) out_[at].jt = static_cast<std::uint8_t>(out_.size() - at - 1);
}

PORTUNUS_DECL void silent_filter_writer::at_most(const words& bound) {
    std::vector<std::size_t> to_next;
    for (std::uint32_t i = 0; i < 4; ++i) {
        emit(BPF_LD | BPF_W | BPF_ABS, network(8 + 4 * i));
        when(BPF_JGT, bound[i]);
        to_next.push_back(out_.size());
        emit(BPF_JMP | BPF_JEQ | BPF_K, bound[i]); // less: it is enough
    }
    for (const std::size_t at : to_next) out_[at].jf = static_cast<std::uint8_t>(out_.size() - at - 1);
}

} // namespace portunus::detail

#endif
