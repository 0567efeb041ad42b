// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_AUTH_GATE_HPP
#define PORTUNUS_CHANNEL_AUTH_GATE_HPP

#include <portunus/channel/message.hpp>
#include <portunus/channel/services.hpp>
#include <portunus/channel/white_list.hpp>

#include <optional>

namespace portunus {

/// Whether a message may go to its handler, and if not, what its sender is told.
struct gate_answer {
    bool open = false;
    std::optional<message> refusal{};
};

/// Who may ask for what, before any handler is looked up. Rows S-8 and S-9: what a peer that is not trusted
/// sends runs nothing, unless it is on the white list. A request of a service is answered AUTH_REQUIRED, with
/// the response of its service, its data id and null; other messages have no answer, and are dropped.
///
/// Where no secret is configured nobody needs to be trusted: then this is not asked.
inline gate_answer pass_gate(bool trusted, const white_list& open_to_all, const service_table& services,
                             const message_view& m) {
    if (trusted || open_to_all.contains(m.service, m.id)) return {true, std::nullopt};
    gate_answer told;
    if (const auto response = services.response_of(m.service))
        told.refusal.emplace(message_status::auth_required, *response, m.id, "null");
    return told;
}

} // namespace portunus

#endif
