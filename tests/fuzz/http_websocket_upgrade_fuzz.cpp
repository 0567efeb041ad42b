// SPDX-License-Identifier: BSL-1.0
// Any bytes as the head of a request that wants to become a WebSocket, and as the answer to one.
#include "../unit/http/head_support.hpp"

#include <portunus/http/websocket_upgrade.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace http_test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    std::vector<http::field_slot> slots(30);
    http::request_parser requests(slots);
    http::websocket_upgrade_rules rules;
    rules.subprotocols = {"a", "chat"};
    rules.allowed_origins = {"https://app.example"};
    if (requests.feed(bytes).what == head_step::kind::complete) {
        const http::request_head& head = requests.head();
        const auto v = http::judge_upgrade(head, rules);
        demand(v.accepted() == v.why.empty(), "a refusal without a reason, or a reason without a refusal");
        if (v.accepted()) {
            demand(head.method() == http::verb::get && head.upgrade() && !head.has_body(), "no upgrade");
            const auto key = head.find("Sec-WebSocket-Key");
            demand(key && key->size() == 24, "a key of another length");
            const auto accept = http::websocket_accept(*key);
            demand(v.accept_text() == std::string_view(accept.data(), accept.size()), "a wrong checksum");
            demand(v.subprotocol.empty() || head.has_element("Sec-WebSocket-Protocol", v.subprotocol),
                   "a subprotocol that nobody offered");
            const auto origin = head.find("Origin");
            demand(!origin || origin->find("://") != std::string_view::npos, "an origin that is none");
        }
    }
    http::response_parser answers(slots);
    if (answers.feed(bytes).what == head_step::kind::complete) {
        const std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
        const auto chosen = http::judge_upgrade_answer(answers.head(), key, rules.subprotocols);
        if (chosen) {
            demand(answers.head().status_code() == 101, "another status was taken for 101");
            demand(chosen->empty() || *chosen == "a" || *chosen == "chat", "a subprotocol of its own");
        }
    }
    return 0;
}
