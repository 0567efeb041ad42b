// SPDX-License-Identifier: BSL-1.0
#include "scoreboard.hpp"

#include <portunus/core/metrics.hpp>

#include <vector>

namespace hub {

using namespace portunus;

namespace {

std::string described(const metrics_snapshot& n) {
    return "open " + std::to_string(n.sessions_open()) + ", accepted " + std::to_string(n.accepted) +
           ", refused " + std::to_string(n.refused()) + ", broken " + std::to_string(n.protocol_errors) +
           ", messages in " + std::to_string(n.messages_in) + ", messages out " +
           std::to_string(n.messages_out) + ", bytes in " + std::to_string(n.bytes_in) + ", bytes out " +
           std::to_string(n.bytes_out);
}

} // namespace

result<std::string> scoreboard::stats(std::string_view name) const {
    std::string names;
    for (const port& each : ports_) {
        if (!each.server) continue;
        if (each.name == name) return described(each.server->snapshot());
        names.append(names.empty() ? "" : ", ").append(each.name);
    }
    return error(errc::invalid_option, "there is no port \"" + std::string(name) + "\"; there are " + names);
}

std::string scoreboard::stats() const {
    metrics_snapshot sum;
    for (const port& each : ports_)
        if (each.server) sum += each.server->snapshot();
    return described(sum);
}

std::string scoreboard::prometheus() const {
    std::vector<labelled_snapshot> all;
    for (const port& each : ports_)
        if (each.server) all.push_back({each.server->snapshot(), {{"port", each.name}}});
    return to_prometheus(all, "hub");
}

std::string scoreboard::ports() const {
    std::string text;
    for (const port& each : ports_)
        if (each.server)
            text.append(" ").append(each.name).append(" ").append(std::to_string(each.server->port()));
    return text;
}

std::uint16_t scoreboard::port_of(std::string_view name) const {
    for (const port& each : ports_)
        if (each.server && each.name == name) return each.server->port();
    return 0;
}

void scoreboard::print_summary(std::ostream& out) const {
    for (const port& each : ports_) {
        if (!each.server) continue;
        const metrics_snapshot n = each.server->snapshot();
        out << each.name << " port: " << n.accepted << " connections, " << each.messages.handled
            << " messages handled, " << each.messages.answered << " answered; " << n.refused() << " refused";
        for (const auto why :
             {close_reason::reset, close_reason::timed_out, close_reason::idle, close_reason::aborted_locally,
              close_reason::protocol_error, close_reason::shutdown})
            if (n.closed_by(why) != 0) out << "; " << n.closed_by(why) << " ended by " << why;
        out << '\n';
    }
}

} // namespace hub
