// SPDX-License-Identifier: BSL-1.0
// The examples of docs/wire-protocol.md are made here, by the code that speaks the protocol, and compared
// with the page. A block that begins with ```hex <name> or ```messages <name> is one of them; each has to be
// here, and each that is here has to be there.
//
// When the protocol has changed on purpose, `unit_channel "[wire-print]"` prints the blocks for the page.
#include <portunus/channel/json_lines.hpp>
#include <portunus/channel/pure_json.hpp>
#include <portunus/channel/struct_json.hpp>

#include <portunus/channel/auth_client.hpp>
#include <portunus/channel/auth_gate.hpp>
#include <portunus/channel/auth_server.hpp>
#include <portunus/channel/channel_name.hpp>
#include <portunus/channel/channel_options.hpp>
#include <portunus/channel/points.hpp>
#include <portunus/channel/scram_sha_256.hpp>
#include <portunus/channel/seed_key.hpp>
#include <portunus/framing/escaped_codec.hpp>
#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/json/limits.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace portunus;

namespace {

// --- how the page shows bytes and messages

/// Sixteen bytes a line, and what of them is printable ASCII.
std::string dump(std::string_view bytes) {
    std::string text;
    for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(16, bytes.size()))) {
        std::string digits, characters;
        for (const char c : bytes.substr(0, 16)) {
            const auto byte = static_cast<unsigned char>(c);
            digits += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15], ' '};
            characters += byte >= 0x20 && byte < 0x7F ? c : '.';
        }
        digits.resize(49, ' ');
        text += digits + characters;
        text.erase(text.find_last_not_of(' ') + 1);
        text += '\n';
    }
    return text;
}

template <class Codec>
std::string encoded(const Codec& codec, const message_view& m) {
    std::string out;
    codec.encode(out, m);
    return out;
}

template <class Framing>
std::string framed(const Framing& framing, std::string_view payload) {
    std::string out(framing.encode_bound(payload), '\0');
    out.resize(framing.encode(payload, out.data()));
    return out;
}

std::string on_tcp(const message_view& m) {
    return framed(stp(), encoded(pure_json(), m));
}

/// "client {...} 3d d4 34 a8": who sends it, the text, and its checksum.
std::string said(std::string_view who, const message_view& m) {
    const std::string bytes = encoded(pure_json(), m);
    std::string line = std::string(who) + " " + bytes.substr(0, bytes.size() - 4);
    for (const char c : bytes.substr(bytes.size() - 4)) {
        const auto byte = static_cast<unsigned char>(c);
        line += {' ', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    }
    return line + "\n";
}

// --- what is said

constexpr message_view read_7{message_status::okay, service_id::read_request, data_id(7), "null"};
constexpr message_view answer_7{message_status::okay, service_id::read_response, data_id(7),
                                R"({"room":"kitchen","celsius":21.5,"ok":true})"};

std::shared_ptr<const secret_text> shared(std::string_view text) {
    return std::make_shared<const secret_text>(text);
}

/// Both machines, until neither has anything to say.
template <class Client, class Server>
std::string handshake(Client client, Server server) {
    const auto now = std::chrono::steady_clock::time_point(std::chrono::hours(1));
    (void)server.connected(now);
    std::string text;
    auth_step step = client.connected(now);
    while (step.send) {
        text += said("client", *step.send);
        step = server.received(*step.send, now);
        if (!step.send) break;
        text += said("server", *step.send);
        step = client.received(*step.send, now);
    }
    text += client.is_trusted() && server.is_trusted() ? "trusted\n" : "not trusted\n";
    return text;
}

std::string by_seed_and_key(std::string_view secret_of_client) {
    auto settings = std::make_shared<seed_key_server_settings>();
    settings->find = [](std::string_view) { return std::optional<secret_text>(secret_text("open sesame")); };
    settings->random = [](std::span<unsigned char> into) {
        std::iota(into.begin(), into.end(), static_cast<unsigned char>(0));
        return result<void>();
    };
    seed_key_client_settings mine;
    mine.secret = shared(secret_of_client);
    return handshake(auth_client<seed_key>(seed_key::client(mine)),
                     auth_server<seed_key>(seed_key::server(settings)));
}

/// The names, secret and nonces of RFC 7677, section 3.
std::string by_scram(std::string_view secret_of_client, const std::string& binding = {}) {
    auto settings = std::make_shared<scram_server_settings>();
    settings->find = [](std::string_view) {
        return std::optional<scram_credentials>(
            scram_credentials::make("pencil", 4096, base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==").value())
                .value());
    };
    settings->nonce = [] { return result<std::string>("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"); };
    scram_client_settings mine;
    mine.name = "user";
    mine.secret = shared(secret_of_client);
    mine.nonce = [] { return result<std::string>("rOprNGfwEbeRWgbNEkqO"); };
    return handshake(auth_client<scram_sha_256>(scram_sha_256::client(mine, binding)),
                     auth_server<scram_sha_256>(scram_sha_256::server(settings, binding)));
}

std::string names(std::string_view client_name, std::string_view server_name) {
    auto client = channel_name::client(std::string(client_name));
    auto server = channel_name::server(std::string(server_name));
    (void)server.connected();
    const auto told = client.connected();
    REQUIRE(told.has_value());
    const auto answer = server.received(*told);
    REQUIRE((answer && answer->send));
    return said("client", *told) + said("server", *answer->send);
}

std::string untrusted_read() {
    const gate_answer told = pass_gate(false, white_list(), service_table(), read_7);
    REQUIRE(told.refusal.has_value());
    return said("client", read_7) + said("server", *told.refusal);
}

message answer_to_read_7(message_status status) {
    return {status, service_table().response_of(read_7.service).value(), read_7.id, "null"};
}

/// What is left of a message of which a byte was changed on its way: the numbers, for the answer.
std::string damaged_read() {
    std::string bytes = encoded(pure_json(), read_7);
    bytes[bytes.size() - 1] ^= 1;
    REQUIRE(pure_json().decode(bytes).error() == errc::checksum_mismatch);
    const auto numbers = pure_json().salvage(bytes);
    REQUIRE(numbers.has_value());
    REQUIRE(numbers->service == read_7.service);
    REQUIRE(numbers->id == read_7.id);
    return framed(stp(), bytes);
}

std::string some_binding() {
    std::string bytes(32, '\0');
    std::iota(bytes.begin(), bytes.end(), '\0');
    return bytes;
}

using blocks = std::map<std::string, std::string>;

blocks made() {
    constexpr message_view sign_of_life{message_status::okay, service_id::read_request, data_id(0xFFFFFFFF),
                                        "null"};
    message_view alive = sign_of_life;
    alive.service = service_id::read_response;
    auto nameless = channel_name::client();
    const message no_name = nameless.connected().value();
    const message unknown(message_status::service_or_data_unknown, service_id::auth_response,
                          data_id::auth_seed, "null");
    return {
        {"hex stp", dump(framed(stp(), ":message:"))},
        {"hex csp", dump(framed(line_codec(line_mode::lf), "message"))},
        {"hex length-prefix", dump(framed(packet_4(), "message"))},
        {"hex pure-json", dump(encoded(pure_json(), read_7))},
        {"hex pure-json-on-stp", dump(on_tcp(read_7))},
        {"hex pure-json-answer-on-stp", dump(on_tcp(answer_7))},
        {"hex struct-json", dump(encoded(struct_json(), read_7))},
        {"hex struct-json-on-stp", dump(framed(stp(), encoded(struct_json(), read_7)))},
        {"hex json-lines", dump(framed(line_codec(line_mode::lf), encoded(json_lines(), read_7)))},
        {"hex damaged", dump(damaged_read())},
        {"messages read", said("client", read_7) + said("server", answer_7)},
        {"messages channel-name", names("kitchen", "house")},
        {"messages channel-name-of-server", names("", "house")},
        {"messages seed-and-key", by_seed_and_key("open sesame")},
        {"messages seed-and-key-refused", by_seed_and_key("open barley")},
        {"messages scram", by_scram("pencil")},
        {"messages scram-refused", by_scram("pen")},
        {"messages scram-bound", by_scram("pencil", some_binding())},
        {"messages auth-required", untrusted_read()},
        {"messages nobody-authenticates",
         said("client",
              message_view{message_status::okay, service_id::auth_request, data_id::auth_seed, "null"}) +
             said("server", unknown)},
        {"messages buffering",
         said("client", read_7) +
             said("server", answer_to_read_7(message_status::buffering_unhandled_request))},
        {"messages checksum-error", said("server", answer_to_read_7(message_status::checksum_error))},
        {"messages keep-alive-of-client",
         said("client", no_name) + names("", "").substr(said("client", no_name).size())},
        {"messages keep-alive-of-server", said("server", sign_of_life) + said("client", alive)},
    };
}

// --- the page

std::string page_text() {
    const auto path =
        std::filesystem::path(__FILE__).parent_path() / ".." / ".." / ".." / "docs" / "wire-protocol.md";
    std::ifstream file(path, std::ios::binary);
    if (!file) FAIL("no page at " << path << ": run this where the sources are");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Blocks by what stands behind their fence; those that are no examples are left out.
blocks examples_of(const std::string& page) {
    blocks found;
    std::string name;
    for (std::size_t at = 0; at < page.size();) {
        const std::size_t end = std::min(page.find('\n', at), page.size());
        const std::string line = page.substr(at, end - at);
        at = end + 1;
        if (line.starts_with("```")) {
            const bool opens = name.empty();
            name = opens ? line.substr(3) : std::string();
            if (!opens) continue;
            if (name.empty()) name = "nothing";
            if (found.contains(name)) FAIL("two blocks of the page are called " << name);
            if (name.starts_with("hex ") || name.starts_with("messages ")) found[name];
        } else if (found.contains(name)) {
            found[name] += line + "\n";
        }
    }
    return found;
}

/// The beginning of a row of the page's table of limits.
std::string row(std::string_view what, std::chrono::milliseconds value) {
    return "| " + std::string(what) + " | " + std::to_string(value.count()) + " ms |";
}
std::string row(std::string_view what, std::size_t value, std::string_view unit = {}) {
    return "| " + std::string(what) + " | " + std::to_string(value) + std::string(unit) + " |";
}

} // namespace

TEST_CASE("each example on the page of the wire protocol is what this library sends") {
    const blocks shown = examples_of(page_text());
    const blocks sent = made();
    for (const auto& [name, text] : sent) {
        INFO("the block ```" << name);
        REQUIRE(shown.contains(name));
        CHECK(shown.at(name) == text);
    }
    for (const auto& [name, text] : shown) {
        INFO("the block ```" << name << " is made by nobody");
        CHECK(sent.contains(name));
    }
}

TEST_CASE("the limits on the page of the wire protocol are those of the code") {
    const std::string page = page_text();
    const auth_client_options client;
    const auth_server_options server;
    const channel_limits limits;
    for (const std::string& text :
         {row("a handshake, at the client", client.handshake),
          row("a handshake, at the server", server.handshake),
          row("from connecting to trust", server.before_trust),
          row("attempts that fail", server.most_failures),
          row("data before trust", server.most_data, " bytes"),
          row("data of the handshake's answers", client.most_data, " bytes"),
          row("name of a channel", channel_name::longest, " bytes"),
          row("name of a client", seed_key::longest_name, " bytes"),
          row("seed that is answered", seed_key::longest_seed, " bytes"),
          row("SCRAM iterations, least", scram_credentials::least_iterations),
          row("SCRAM iterations, most at a client", scram_client_settings().most_iterations),
          row("one message", limits.max_frame, " bytes"),
          row("silence before a sign of life is asked for",
              std::chrono::duration_cast<std::chrono::milliseconds>(limits.keep_alive)),
          row("depth of the data", json::max_depth, " levels")}) {
        INFO(text);
        CHECK(page.find("\n" + text) != std::string::npos);
    }
}

TEST_CASE("blocks of the page of the wire protocol, to be copied", "[.][wire-print]") {
    for (const auto& [name, text] : made()) std::cout << "```" << name << "\n" << text << "```\n\n";
}
