// SPDX-License-Identifier: BSL-1.0
// Any messages of a server that does not know the secret: a client with a mutual scheme never believes it;
// with either scheme it sends nothing that has the secret in it, and comes to an end.
#include <portunus/channel/any_scheme.hpp>
#include <portunus/channel/auth_client.hpp>

#include "channel_story.hpp"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

using namespace portunus;
using namespace std::chrono_literals;

namespace {

const std::shared_ptr<const secret_text>& secret() {
    static const auto one = std::make_shared<const secret_text>("zq!SECRET!qz");
    return one;
}

void play(any_scheme::client scheme, bool mutual, std::string_view text) {
    auto now = std::chrono::steady_clock::time_point(1h);
    auth_client_of<any_scheme::client> client(std::move(scheme));
    client.connected(now);
    portunus_fuzz::story story{text};
    char what = 0;
    message m;
    while (story.next(what, m)) {
        auth_step step;
        if (what == 't') {
            now += 500ms;
            step = client.timed_out(now);
        } else if (what == 'c') {
            client.disconnected();
            step = client.connected(now);
        } else if (what == 's') {
            step = client.start(now);
        } else {
            step = client.received(m, now);
        }
        if (mutual && (step.trusted || client.is_trusted())) std::abort();
        if (step.trusted != (step.trusted && client.is_trusted())) std::abort();
        if (step.send && (step.send->service != service_id::auth_request ||
                          step.send->data.find("SECRET") != std::string::npos))
            std::abort();
        if (step.failed.message().find("SECRET") != std::string::npos) std::abort();
        if (step.close && (!step.failed.code().failed() || client.deadline())) std::abort();
        if (client.deadline() && *client.deadline() > now + 2s) std::abort();
    }
    if (client.deadline()) client.timed_out(*client.deadline());
    if (client.deadline() || (client.state() != auth_state::untrusted && !client.is_trusted())) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    scram_client_settings scram;
    scram.name = "user";
    scram.secret = secret();
    scram.least_iterations = 1;
    scram.most_iterations = 16; // so that the fuzzer is not busy with these
    scram.nonce = [] { return result<std::string>("nonce"); };
    play(scram_sha_256::client(scram), true, text);
    play(scram_sha_256::client(scram, "binding"), true, text);
    play(seed_key::client({.secret = secret(), .name = "user"}), false, text);
    return 0;
}
