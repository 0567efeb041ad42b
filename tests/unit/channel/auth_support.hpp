// SPDX-License-Identifier: BSL-1.0
// What the tests of the handshake share: a scheme that does as it is told, and the messages.
#ifndef PORTUNUS_TESTS_UNIT_CHANNEL_AUTH_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_CHANNEL_AUTH_SUPPORT_HPP

#include <portunus/channel/auth_scheme.hpp>
#include <portunus/channel/auth_step.hpp>
#include <portunus/channel/message.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace portunus_tests {

using namespace portunus;
using namespace std::chrono_literals;
using time_point = std::chrono::steady_clock::time_point;
inline constexpr time_point t0{1h};

/// The key to a seed is the seed with "key to " in front; the right verdict is true.
struct told_scheme {
    struct wishes {
        bool secret = true, can_begin = true, can_challenge = true;
        int begun = 0, judged = 0;
    };
    static constexpr std::string_view name() noexcept { return "told"; }

    struct client {
        std::shared_ptr<wishes> wish = std::make_shared<wishes>();
        bool has_secret() const { return wish->secret; }
        result<auth_value> begin() {
            ++wish->begun;
            if (!wish->can_begin) return error(errc::not_connected, "no beginning");
            return auth_value{auth_kind::text, "please"};
        }
        result<auth_value> answer(const auth_value& seed) {
            if (seed.kind != auth_kind::text) return error(errc::malformed_data, "no seed");
            return auth_value{auth_kind::text, "key to " + seed.text};
        }
        result<void> confirm(const auth_value& verdict) {
            if (verdict.kind == auth_kind::yes) return {};
            return error(errc::unauthenticated, "no proof");
        }
    };
    struct server {
        std::shared_ptr<wishes> wish = std::make_shared<wishes>();
        int seeds = 0;
        std::string expected{};
        std::string who = "somebody";
        result<auth_value> challenge(const auth_value& request) {
            expected.clear();
            if (!wish->can_challenge || request.kind == auth_kind::other)
                return error(errc::malformed_data, "no challenge");
            const std::string seed = "seed " + std::to_string(++seeds);
            expected = "key to " + seed;
            return auth_value{auth_kind::text, seed};
        }
        result<auth_value> judge(const auth_value& key) {
            ++wish->judged;
            const std::string right = std::exchange(expected, {});
            if (!right.empty() && key.text == right) return auth_value{auth_kind::yes, {}};
            return error(errc::unauthenticated, "wrong");
        }
        auth_value refusal() const { return {auth_kind::no, {}}; }
        const std::string& peer_name() const { return who; }
    };
};
static_assert(auth_scheme<told_scheme>);

inline message to_client(data_id id, std::string json, message_status status = message_status::okay) {
    return message(status, service_id::auth_response, id, std::move(json));
}
inline message to_server(data_id id, std::string json) {
    return message(message_status::okay, service_id::auth_request, id, std::move(json));
}

/// A step as one line: "seed request "please", trusted, failed, close", or "nothing".
inline std::string shown(const auth_step& step) {
    std::string text;
    const auto add = [&text](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
    if (step.send) {
        const message& m = *step.send;
        const bool request = m.service == service_id::auth_request, seed = m.id == data_id::auth_seed;
        std::string kind = request ? (seed ? "request" : "key") : (seed ? "seed" : "verdict");
        if (m.status != message_status::okay) kind += " " + std::to_string(static_cast<int>(m.status));
        add(kind + " " + m.data);
    }
    if (step.trusted) add("trusted");
    if (step.failed.code().failed()) add("failed");
    if (step.close) add("close");
    return text.empty() ? "nothing" : text;
}

} // namespace portunus_tests

#endif
