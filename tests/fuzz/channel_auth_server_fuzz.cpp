// SPDX-License-Identifier: BSL-1.0
// Any messages of a peer that does not know the secret: a server never trusts it, answers each message at
// most once and in the right service, and comes to an end.
#include <portunus/channel/any_scheme.hpp>
#include <portunus/channel/auth_server.hpp>

#include "channel_story.hpp"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

using namespace portunus;
using namespace std::chrono_literals;

namespace {

const std::shared_ptr<scram_server_settings>& scram_house() {
    static const auto one = [] {
        auto settings = std::make_shared<scram_server_settings>();
        settings->find = [](std::string_view name) -> std::optional<scram_credentials> {
            static const auto stored = scram_credentials::make("a secret", 4096, "salt").value();
            if (name == "user") return stored.copy();
            return std::nullopt;
        };
        settings->decoy_key = secret_bytes<32>();
        settings->nonce = [] { return result<std::string>("nonce"); };
        return settings;
    }();
    return one;
}
const std::shared_ptr<seed_key_server_settings>& seed_house() {
    static const auto one = [] {
        auto settings = std::make_shared<seed_key_server_settings>();
        settings->find = [](std::string_view) { return std::optional<secret_text>("a secret"); };
        settings->random = [](std::span<unsigned char> into) {
            for (unsigned char& byte : into) byte = 7;
            return result<void>();
        };
        return settings;
    }();
    return one;
}

void play(any_scheme::server scheme, std::string_view text) {
    auto now = std::chrono::steady_clock::time_point(1h);
    auth_server_of<any_scheme::server> server(std::move(scheme));
    server.connected(now);
    portunus_fuzz::story story{text};
    char what = 0;
    message m;
    bool closed = false;
    while (story.next(what, m)) {
        auth_step step;
        if (what == 't') {
            now += 500ms;
            step = server.timed_out(now);
        } else if (what == 'c') {
            server.disconnected();
            step = server.connected(now);
            closed = false;
        } else {
            step = server.received(m, now);
            if (m.service == service_id::auth_request && !step.taken) std::abort();
        }
        if (step.trusted || server.is_trusted() || !server.peer_name().empty()) std::abort();
        if (step.send && (step.send->service != service_id::auth_response || step.send->data.size() > 4096))
            std::abort();
        if (step.close && !step.failed.code().failed()) std::abort();
        closed = closed || step.close;
        if (server.failures() >= 3 && !closed) std::abort();
        if (server.deadline() && *server.deadline() > now + 10s) std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    play(scram_sha_256::server(scram_house()), text);
    play(scram_sha_256::server(scram_house(), "binding"), text);
    play(seed_key::server(seed_house()), text);
    return 0;
}
