// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_IMPL_METRICS_IPP
#define PORTUNUS_CORE_IMPL_METRICS_IPP

#include <portunus/core/metrics.hpp>

#include <portunus/core/close_reason.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/prometheus.hpp>
#include <portunus/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

/// The plain counters: where they live in a block, in a snapshot and in the published text. One table, so
/// that a counter cannot be added up and then not be published.
struct counter_place {
    counter context_counters::*block;
    std::uint64_t metrics_snapshot::*sum;
    const char* name;
    const char* label; ///< complete, or empty
    const char* help;  ///< set in the first line of a name
};

inline constexpr counter_place counter_places[] = {
    {&context_counters::accepted, &metrics_snapshot::accepted, "connections_accepted_total", "",
     "Connections that were let in."},
    {&context_counters::refused_by_policy, &metrics_snapshot::refused_by_policy, "connections_refused_total",
     "reason=\"policy\"", "Connections that were turned away, by reason."},
    {&context_counters::refused_full, &metrics_snapshot::refused_full, "connections_refused_total",
     "reason=\"full\"", nullptr},
    {&context_counters::refused_by_address, &metrics_snapshot::refused_by_address,
     "connections_refused_total", "reason=\"address\"", nullptr},
    {&context_counters::refused_by_rate, &metrics_snapshot::refused_by_rate, "connections_refused_total",
     "reason=\"rate\"", nullptr},
    {&context_counters::accept_errors, &metrics_snapshot::accept_errors, "accept_errors_total", "",
     "Times that accepting a connection failed."},
    {&context_counters::bytes_in, &metrics_snapshot::bytes_in, "received_bytes_total", "",
     "Payload bytes received."},
    {&context_counters::bytes_out, &metrics_snapshot::bytes_out, "sent_bytes_total", "",
     "Payload bytes sent."},
    {&context_counters::messages_in, &metrics_snapshot::messages_in, "received_messages_total", "",
     "Complete messages received."},
    {&context_counters::messages_out, &metrics_snapshot::messages_out, "sent_messages_total", "",
     "Messages sent."},
    {&context_counters::protocol_errors, &metrics_snapshot::protocol_errors, "protocol_errors_total", "",
     "Times that a peer broke the rules of its protocol."},
    {&context_counters::queue_full, &metrics_snapshot::queue_full, "queue_full_total", "",
     "Times that a bounded queue had no room."},
};

} // namespace detail

PORTUNUS_DECL metrics_snapshot& metrics_snapshot::operator+=(const metrics_snapshot& other) noexcept {
    for (const auto& place : detail::counter_places) this->*place.sum += other.*place.sum;
    for (std::size_t i = 0; i < closed.size(); ++i) closed[i] += other.closed[i];
    return *this;
}

PORTUNUS_DECL metrics_snapshot metrics::snapshot() const noexcept {
    metrics_snapshot sum;
    // what has ended is read before what has begun, so that no session is seen to end that has not begun
    for (const context_counters& block : *blocks_)
        for (std::size_t i = 0; i < close_reason_count; ++i)
            sum.closed[i] += block.closed_by(static_cast<close_reason>(i));
    for (const context_counters& block : *blocks_)
        for (const auto& place : detail::counter_places) sum.*place.sum += (block.*place.block).value();
    return sum;
}

PORTUNUS_DECL std::string to_prometheus(std::span<const labelled_snapshot> snapshots,
                                        std::string_view prefix) {
    std::vector<std::string> labels;
    for (const labelled_snapshot& snapshot : snapshots) {
        std::string joined;
        for (auto label = snapshot.labels.begin(); label != snapshot.labels.end(); ++label) {
            const auto same = [&](const auto& earlier) { return earlier.first == label->first; };
            if (std::any_of(snapshot.labels.begin(), label, same))
                detail::refuse_label(label->first, "given twice");
            detail::append_label(joined, label->first, label->second);
        }
        if (std::find(labels.begin(), labels.end(), joined) != labels.end())
            throw failure(error(errc::invalid_option, "two snapshots have the labels {" + joined +
                                                          "}; allowed: labels that tell them apart"));
        labels.push_back(std::move(joined));
    }
    detail::prometheus_text text(prefix);
    for (const auto& place : detail::counter_places) {
        if (place.help != nullptr) {
            text.describe(place.name, "counter", place.help);
            for (const auto& same : detail::counter_places) {
                if (std::string_view(same.name) != place.name) continue;
                for (std::size_t i = 0; i < snapshots.size(); ++i)
                    text.sample(same.name, labels[i], same.label, snapshots[i].values.*same.sum);
            }
        }
    }
    text.describe("sessions_closed_total", "counter", "Sessions that have ended, by reason.");
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
        // no session ends for the reason "none": it appears only if one did, and then it should be seen
        for (std::size_t why = snapshots[i].values.closed[0] == 0 ? 1 : 0; why < close_reason_count; ++why)
            text.sample("sessions_closed_total", labels[i],
                        "reason=\"" + std::string(to_string(static_cast<close_reason>(why))) + "\"",
                        snapshots[i].values.closed[why]);
    }
    text.describe("sessions_open", "gauge", "Sessions that are open now.");
    for (std::size_t i = 0; i < snapshots.size(); ++i)
        text.sample("sessions_open", labels[i], "", snapshots[i].values.sessions_open());
    return std::move(text).take();
}

} // namespace portunus

#endif
