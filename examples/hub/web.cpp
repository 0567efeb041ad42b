// SPDX-License-Identifier: BSL-1.0
#include "web.hpp"

#include <portunus/core/deadline.hpp>
#include <portunus/crypto/self_signed.hpp>
#include <portunus/http/compress.hpp>
#include <portunus/http/event_stream.hpp>
#include <portunus/http/https_server.hpp>
#include <portunus/http/multipart.hpp>
#include <portunus/http/security_headers.hpp>
#include <portunus/http/static_files.hpp>
#include <portunus/json/write.hpp>
#include <portunus/net/peer_info.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/crc.hpp>
#include <boost/describe.hpp>

#include <array>
#include <charconv>
#include <cstdio>
#include <utility>
#include <vector>

namespace hub {

using namespace portunus;

BOOST_DESCRIBE_STRUCT(visitor, (), (id, port, remote, seconds, messages, bytes_in, bytes_out))
BOOST_DESCRIBE_STRUCT(passage, (), (port, peer, from_us, at_ms, text))

namespace {

constexpr std::size_t most_listed = 200; // connections that the page shows

struct port_state {
    std::string name, policy;
    std::vector<std::string> where;
    std::uint64_t open = 0, accepted = 0, refused = 0, messages_in = 0, messages_out = 0, bytes_in = 0,
                  bytes_out = 0;
};
BOOST_DESCRIBE_STRUCT(port_state, (),
                      (name, policy, where, open, accepted, refused, messages_in, messages_out, bytes_in,
                       bytes_out))

struct hub_state {
    std::string name;
    std::uint64_t up_seconds = 0;
    unsigned threads = 1;
    std::vector<device_state> devices;
    std::vector<port_state> ports;
    std::vector<point_state> points;
    std::uint64_t connections_open = 0;
    std::vector<visitor> connections; // at most `most_listed`
};
BOOST_DESCRIBE_STRUCT(hub_state, (),
                      (name, up_seconds, threads, devices, ports, points, connections_open, connections))

struct uploaded_part {
    std::string name;
    std::string file; // as the client calls it; empty for what is no file
    std::uint64_t bytes = 0;
    std::string crc32;
};
BOOST_DESCRIBE_STRUCT(uploaded_part, (), (name, file, bytes, crc32))

struct upload_report {
    std::vector<uploaded_part> parts;
};
BOOST_DESCRIBE_STRUCT(upload_report, (), (parts))

http::response plain(http::status code, std::string text) {
    return http::response(code, text.append("\n"));
}

/// A page of somebody else may make its visitor's browser send requests here. It cannot set or hide what the
/// browser says about where they come from.
bool from_another_site(const http::request& asked) {
    if (const auto site = asked.find("Sec-Fetch-Site")) return *site != "same-origin" && *site != "none";
    const auto origin = asked.find("Origin");
    if (!origin) return false; // no browser
    const auto host = asked.find(http::field::host);
    const std::string_view scheme = asked.is_tls() ? "https://" : "http://";
    return !host || !origin->starts_with(scheme) || origin->substr(scheme.size()) != *host;
}

http::middleware for_own_pages() {
    http::middleware m;
    m.before = [](http::request& asked) -> std::optional<http::response> {
        if (!from_another_site(asked)) return std::nullopt;
        return plain(http::status::forbidden, "pages of other sites may not do this");
    };
    return m;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t n = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (wrong != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return n;
}

http::response unreadable(const error& why) {
    // The server knows better, and says so, where it was the limits or the connection.
    return plain(http::status::bad_request, why.message());
}

/// A handler that is a member function: the object lives as long as its server.
template <auto Member, class Object>
http::handler by(Object& object) {
    return http::handler([&object](http::request& asked) { return (object.*Member)(asked); });
}

} // namespace

web::web(runtime& rt, const options& chosen, const devices& house, const scoreboard& board,
         const points& data, const commands& handle, roster& everybody, journal& passing)
    : rt_(rt), chosen_(chosen), house_(house), board_(board), points_(data), handle_(handle),
      everybody_(everybody), passing_(passing), goodbye_(rt.stop_token(), [this] { events_.close(); }) {
    passing_.tell(
        [this](const passage& one) { events_.publish(http::event("message", json::to_text(one).value())); },
        [this](std::uint64_t left_out) {
            events_.publish(http::event("left_out", std::to_string(left_out)));
        });
    plain_ = http::serve(rt, site(), routes());
    if (!chosen.https_ports.empty()) {
        tls_server_options keys;
        self_signed_options whose;
        whose.names.insert(whose.names.begin(), "portunus-hub.local");
        keys.certificates.push_back(make_self_signed(whose).value().as_certificate());
        keys.alpn = {"http/1.1"};
        http::server_options secure = site();
        secure.door.ports = chosen.https_ports;
        secure_ = http::serve(rt, std::move(secure), tls_server_context(keys), routes());
    }
    rt.spawn(keep_telling());
}

http::server_options web::site() const {
    http::server_options options;
    options.door.addresses = chosen_.hosts;
    options.door.ports = chosen_.web_ports;
    options.door.policy = chosen_.policy;
    options.door.limits.max_connections = chosen_.max_connections;
    options.door.log = logger(&logger::write_to_stderr, chosen_.log);
    options.full = http::when_full::refuse_503;
    options.around = http::together(http::security_headers(), http::compressing());
    return options;
}

http::router<http::handler> web::routes() {
    http::router<http::handler> all;
    all.add(http::verb::get, "/api/state", by<&web::show_state>(*this));
    all.add(http::verb::get, "/api/events", by<&web::stream_events>(*this));
    all.add(http::verb::post, "/api/devices/{name}",
            http::wrap(by<&web::set_device>(*this), for_own_pages()));
    all.add(http::verb::post, "/api/connections/{id}/close",
            http::wrap(by<&web::close_connection>(*this), for_own_pages()));
    all.add(http::verb::post, "/api/connections/{id}/send",
            http::wrap(by<&web::send_line>(*this), for_own_pages()));
    all.add(http::verb::post, "/api/upload", http::wrap(by<&web::upload>(*this), for_own_pages()));
    all.add(http::verb::get, "/metrics", [this](http::request&) {
        return http::response(http::status::ok, board_.prometheus(), "text/plain; version=0.0.4");
    });
    all.add(http::verb::get, "/health",
            [](http::request&) { return http::response("ok\n", http::media::text); });
    all.add(http::verb::get, "/*", http::static_files(chosen_.web_root));
    return all;
}

awaitable<std::string> web::state() {
    hub_state now;
    now.name = chosen_.name.empty() ? "Portunus hub" : chosen_.name;
    now.up_seconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - since_).count());
    now.threads = chosen_.contexts;
    now.devices = house_.all();
    for (const port& each : board_.all()) {
        if (!each.server) continue;
        const metrics_snapshot n = each.server->snapshot();
        port_state& shown = now.ports.emplace_back();
        shown.name = each.name;
        shown.policy = each.policy;
        for (const auto& where : each.server->endpoints()) shown.where.push_back(to_string(where));
        shown.open = n.sessions_open();
        shown.accepted = n.accepted;
        shown.refused = n.refused();
        shown.messages_in = n.messages_in;
        shown.messages_out = n.messages_out;
        shown.bytes_in = n.bytes_in;
        shown.bytes_out = n.bytes_out;
    }
    now.points = points_.all();
    now.connections_open = everybody_.size();
    now.connections = co_await everybody_.list(most_listed);
    co_return json::to_text(now).value();
}

awaitable<void> web::keep_telling() {
    const std::stop_token stop = rt_.stop_token();
    boost::asio::steady_timer second(co_await boost::asio::this_coro::executor);
    const std::stop_callback wake(stop, [&second] { second.cancel(); });
    while (!stop.stop_requested()) {
        second.expires_after(std::chrono::seconds(1));
        boost::system::error_code woken;
        co_await second.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
        const bool watched = events_.subscribers() != 0;
        passing_.watched(watched);
        if (!watched || stop.stop_requested()) continue;
        std::string text = co_await state();
        const http::event news("state", std::move(text));
        events_.publish(news);
    }
}

awaitable<http::response> web::show_state(http::request&) {
    std::string text = co_await state();
    http::response answer(http::status::ok, std::move(text), http::media::json);
    answer.add(http::field::cache_control, "no-store");
    co_return answer;
}

awaitable<http::response> web::stream_events(http::request& asked) {
    http::event_subscription mine = events_.subscribe();
    passing_.watched(true);
    std::string text = co_await state();
    const http::event now("state", std::move(text));
    mine.push(now);
    co_return http::event_stream(asked, std::move(mine));
}

awaitable<http::response> web::set_device(http::request& asked) {
    const std::string name = asked.parameter("name");
    auto value = co_await asked.body();
    if (!value) co_return unreadable(value.error());
    const answer said = handle_("set " + name + " " + std::string(*value));
    const bool fine = said.text.starts_with("ok");
    if (fine && events_.subscribers() != 0) {
        std::string text = co_await state();
        const http::event now("state", std::move(text));
        events_.publish(now);
    }
    co_return plain(fine ? http::status::ok : http::status::unprocessable_entity,
                    said.text.substr(said.text.find(' ') + 1));
}

awaitable<http::response> web::close_connection(http::request& asked) {
    const auto id = number_of(asked.parameter("id"));
    bool found = false;
    if (id) found = co_await everybody_.close(*id);
    co_return found ? http::response(http::status::no_content)
                    : plain(http::status::not_found, "there is no such connection any more");
}

awaitable<http::response> web::send_line(http::request& asked) {
    constexpr std::size_t longest = 1000;
    const auto id = number_of(asked.parameter("id"));
    auto text = co_await asked.body();
    if (!text) co_return unreadable(text.error());
    if (text->size() > longest || text->find_first_of("\r\n") != text->npos)
        co_return plain(http::status::unprocessable_entity,
                        "a line has at most " + std::to_string(longest) + " bytes and no line end");
    if (!id) co_return plain(http::status::not_found, "there is no such connection");
    std::string line(*text);
    auto said = co_await everybody_.send(*id, std::move(line));
    if (said) co_return http::response(http::status::no_content);
    co_return plain(said.error() == errc::not_connected ? http::status::not_found : http::status::conflict,
                    said.error().message());
}

/// Takes any number of files of any size that the server's limits allow, in pieces, and keeps nothing of
/// them.
awaitable<http::response> web::upload(http::request& asked) {
    const auto type = asked.find(http::field::content_type);
    http::multipart_limits limits;
    limits.max_part = limits.max_total = std::uint64_t(1) << 30;
    auto opened = http::multipart_parser::from_content_type(type.value_or(""), limits);
    if (!opened) co_return plain(http::status::unsupported_media_type, opened.error().message());
    http::multipart_parser& form = *opened;
    upload_report report;
    boost::crc_32_type crc;
    std::string bytes; // what has come and was not consumed
    while (!form.done()) {
        const http::multipart_step step = form.next(bytes);
        switch (step.what) {
        case http::multipart_step::kind::part:
            report.parts.push_back({std::string(step.part.name), {}, 0, {}});
            if (step.part.file_name) report.parts.back().file = http::safe_file_name(*step.part.file_name);
            crc.reset();
            break;
        case http::multipart_step::kind::data:
            crc.process_bytes(step.data.data(), step.data.size());
            report.parts.back().bytes += step.data.size();
            break;
        case http::multipart_step::kind::part_end: {
            std::array<char, 9> digits;
            std::snprintf(digits.data(), digits.size(), "%08x", static_cast<unsigned>(crc.checksum()));
            report.parts.back().crc32 = digits.data();
            break;
        }
        case http::multipart_step::kind::refused:
            co_return plain(form.why().answer(), form.why().detail());
        case http::multipart_step::kind::end:
            break;
        case http::multipart_step::kind::more: {
            bytes.erase(0, step.consumed);
            auto piece = co_await asked.read_body();
            if (!piece) co_return unreadable(piece.error());
            if (piece->empty()) co_return plain(http::status::bad_request, "the form ends before its end");
            bytes.append(*piece);
            continue;
        }
        }
        bytes.erase(0, step.consumed);
    }
    co_return http::response(http::status::ok, json::to_text(report).value(), http::media::json);
}

void web::print_where(std::ostream& out) const {
    for (const auto& [server, name] : {std::pair(&plain_, "web"), std::pair(&secure_, "https")})
        if (*server)
            for (const auto& where : (*server)->endpoints())
                out << name << " port on " << to_string(where) << ": " << chosen_.policy << '\n';
}

void web::print_summary(std::ostream& out) const {
    std::uint64_t requests = 0, failed = 0;
    for (const auto* server : {&plain_, &secure_}) {
        if (!*server) continue;
        const http::server_counters n = (*server)->counters();
        requests += n.requests;
        failed += n.answers[5];
    }
    out << "web: " << requests << " requests, " << failed << " of them answered with a failure of ours\n";
}

} // namespace hub
