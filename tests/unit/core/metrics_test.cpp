// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/metrics.hpp>

#include "support/catch.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using portunus::close_reason;
using portunus::context_counters;
using portunus::errc;
using portunus::failure;
using portunus::labelled_snapshot;
using portunus::metrics;
using portunus::metrics_snapshot;
using portunus::to_prometheus;

namespace {

template <class Make>
std::string thrown_by(Make make) {
    try {
        make();
    } catch (const failure& f) {
        CHECK(f.reason() == errc::invalid_option);
        return std::string(f.reason().detail());
    }
    return "nothing thrown";
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

} // namespace

TEST_CASE("a snapshot is the sum over all contexts") {
    const metrics m(3);
    REQUIRE(m.contexts() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto c = m.of(i);
        c->accepted.add(10);
        c->refused_by_policy.add(2);
        c->refused_full.add(3);
        c->refused_by_address.add(4);
        c->refused_by_rate.add(5);
        c->accept_errors.add();
        c->bytes_in.add(1000);
        c->bytes_out.add(2000);
        c->messages_in.add(7);
        c->messages_out.add(8);
        c->protocol_errors.add(9);
        c->queue_full.add(11);
        c->closed(close_reason::eof);
        c->closed(close_reason::eof);
        c->closed(close_reason::shutdown);
    }
    const metrics_snapshot sum = m.snapshot();
    CHECK(sum.accepted == 30);
    CHECK(sum.refused_by_policy == 6);
    CHECK(sum.refused_full == 9);
    CHECK(sum.refused_by_address == 12);
    CHECK(sum.refused_by_rate == 15);
    CHECK(sum.refused() == 42);
    CHECK(sum.accept_errors == 3);
    CHECK(sum.bytes_in == 3000);
    CHECK(sum.bytes_out == 6000);
    CHECK(sum.messages_in == 21);
    CHECK(sum.messages_out == 24);
    CHECK(sum.protocol_errors == 27);
    CHECK(sum.queue_full == 33);
    CHECK(sum.closed_by(close_reason::eof) == 6);
    CHECK(sum.closed_by(close_reason::shutdown) == 3);
    CHECK(sum.closed_by(close_reason::reset) == 0);
    CHECK(sum.sessions_closed() == 9);
    CHECK(sum.sessions_open() == 21);
}

TEST_CASE("a session may begin on one context and end on another") {
    const metrics m(2);
    m.of(0)->accepted.add();
    CHECK(m.snapshot().sessions_open() == 1);
    m.of(1)->closed(close_reason::idle);
    CHECK(m.snapshot().sessions_open() == 0);
}

TEST_CASE("sessions that are open are never fewer than none") {
    metrics_snapshot odd;
    odd.closed[static_cast<std::size_t>(close_reason::eof)] = 1;
    CHECK(odd.sessions_open() == 0);
}

TEST_CASE("two servers count apart, copies of one count together") {
    const metrics one;
    const metrics other;
    metrics moved_from = one;
    const metrics copy = std::move(moved_from);
    copy.of(0)->accepted.add();
    CHECK(one.snapshot().accepted == 1);
    CHECK(moved_from.snapshot().accepted == 1); // NOLINT: moving a handle copies it
    CHECK(other.snapshot().accepted == 0);
}

TEST_CASE("counters live as long as somebody counts") {
    std::shared_ptr<context_counters> block;
    {
        const metrics m;
        block = m.of(0);
    }
    block->accepted.add();
    CHECK(block->accepted.value() == 1);
}

TEST_CASE("the blocks of two contexts share no cache line") {
    const metrics m(2);
    const auto first = reinterpret_cast<std::uintptr_t>(m.of(0).get());
    const auto second = reinterpret_cast<std::uintptr_t>(m.of(1).get());
    CHECK(first % 64 == 0);
    CHECK(second - first >= sizeof(context_counters));
    CHECK(sizeof(context_counters) % 64 == 0);
}

TEST_CASE("a context that does not exist is refused, and so is a program without contexts") {
    CHECK(thrown_by([] { (void)metrics(2).of(2); }) == "counters of context 2; allowed: 0 to 1");
    CHECK(thrown_by([] { metrics none(0); }) == "contexts = 0; allowed: 1 or more");
}

TEST_CASE("a snapshot may be taken while other threads count, and never goes back") {
    const metrics m(2);
    constexpr std::uint64_t rounds = 20'000;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 2; ++i)
        threads.emplace_back([block = m.of(i)] {
            for (std::uint64_t n = 0; n < rounds; ++n) {
                block->accepted.add();
                block->bytes_in.add(3);
                block->closed(close_reason::eof);
            }
        });
    metrics_snapshot before;
    bool went_back = false;
    for (int i = 0; i < 1000; ++i) {
        const metrics_snapshot now = m.snapshot();
        went_back = went_back || now.accepted < before.accepted || now.bytes_in < before.bytes_in ||
                    now.sessions_closed() < before.sessions_closed();
        before = now;
    }
    for (auto& thread : threads) thread.join();
    CHECK(!went_back);
    CHECK(m.snapshot().accepted == 2 * rounds);
    CHECK(m.snapshot().bytes_in == 6 * rounds);
    CHECK(m.snapshot().sessions_open() == 0);
}

TEST_CASE("the snapshots of several servers add up") {
    metrics_snapshot a;
    a.accepted = 3;
    a.bytes_out = 100;
    a.closed[static_cast<std::size_t>(close_reason::eof)] = 1;
    metrics_snapshot b = a;
    b += a;
    CHECK(b.accepted == 6);
    CHECK(b.bytes_out == 200);
    CHECK(b.closed_by(close_reason::eof) == 2);
    CHECK(b != a);
}

TEST_CASE("the published text is what the format of Prometheus asks for") {
    metrics_snapshot values;
    values.accepted = 5;
    values.refused_by_policy = 1;
    values.refused_full = 2;
    values.refused_by_address = 3;
    values.refused_by_rate = 4;
    values.accept_errors = 6;
    values.bytes_in = 18'446'744'073'709'551'615U;
    values.bytes_out = 8;
    values.messages_in = 9;
    values.messages_out = 10;
    values.protocol_errors = 11;
    values.queue_full = 12;
    values.closed[static_cast<std::size_t>(close_reason::eof)] = 2;
    values.closed[static_cast<std::size_t>(close_reason::shutdown)] = 1;
    CHECK(to_prometheus(values) == R"(# HELP portunus_connections_accepted_total Connections that were let in.
# TYPE portunus_connections_accepted_total counter
portunus_connections_accepted_total 5
# HELP portunus_connections_refused_total Connections that were turned away, by reason.
# TYPE portunus_connections_refused_total counter
portunus_connections_refused_total{reason="policy"} 1
portunus_connections_refused_total{reason="full"} 2
portunus_connections_refused_total{reason="address"} 3
portunus_connections_refused_total{reason="rate"} 4
# HELP portunus_accept_errors_total Times that accepting a connection failed.
# TYPE portunus_accept_errors_total counter
portunus_accept_errors_total 6
# HELP portunus_received_bytes_total Payload bytes received.
# TYPE portunus_received_bytes_total counter
portunus_received_bytes_total 18446744073709551615
# HELP portunus_sent_bytes_total Payload bytes sent.
# TYPE portunus_sent_bytes_total counter
portunus_sent_bytes_total 8
# HELP portunus_received_messages_total Complete messages received.
# TYPE portunus_received_messages_total counter
portunus_received_messages_total 9
# HELP portunus_sent_messages_total Messages sent.
# TYPE portunus_sent_messages_total counter
portunus_sent_messages_total 10
# HELP portunus_protocol_errors_total Times that a peer broke the rules of its protocol.
# TYPE portunus_protocol_errors_total counter
portunus_protocol_errors_total 11
# HELP portunus_queue_full_total Times that a bounded queue had no room.
# TYPE portunus_queue_full_total counter
portunus_queue_full_total 12
# HELP portunus_sessions_closed_total Sessions that have ended, by reason.
# TYPE portunus_sessions_closed_total counter
portunus_sessions_closed_total{reason="eof"} 2
portunus_sessions_closed_total{reason="reset"} 0
portunus_sessions_closed_total{reason="timed_out"} 0
portunus_sessions_closed_total{reason="idle"} 0
portunus_sessions_closed_total{reason="closed_locally"} 0
portunus_sessions_closed_total{reason="aborted_locally"} 0
portunus_sessions_closed_total{reason="replaced"} 0
portunus_sessions_closed_total{reason="denied"} 0
portunus_sessions_closed_total{reason="protocol_error"} 0
portunus_sessions_closed_total{reason="shutdown"} 1
# HELP portunus_sessions_open Sessions that are open now.
# TYPE portunus_sessions_open gauge
portunus_sessions_open 2
)");
}

TEST_CASE("every metric is described once and its lines stand together, however many servers publish") {
    metrics_snapshot a;
    a.accepted = 1;
    metrics_snapshot b;
    b.accepted = 2;
    const std::vector<labelled_snapshot> both{{a, {{"listener", "7001"}}},
                                              {b, {{"listener", "7002"}, {"site", "x"}}}};
    const std::string text = to_prometheus(both, "house");
    CHECK(has_line(text, "house_connections_accepted_total{listener=\"7001\"} 1"));
    CHECK(has_line(text, "house_connections_accepted_total{listener=\"7002\",site=\"x\"} 2"));
    CHECK(has_line(text, "house_connections_refused_total{listener=\"7001\",reason=\"policy\"} 0"));
    CHECK(has_line(text, "house_sessions_closed_total{listener=\"7002\",site=\"x\",reason=\"eof\"} 0"));
    CHECK(has_line(text, "house_sessions_open{listener=\"7002\",site=\"x\"} 2"));

    std::istringstream lines(text);
    std::set<std::string> described;
    std::set<std::string> samples;
    std::string current;
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        if (line.rfind("# HELP ", 0) == 0) {
            current = line.substr(7, line.find(' ', 7) - 7);
            CHECK(described.insert(current).second);
        } else if (line.rfind("# TYPE ", 0) == 0) {
            CHECK(line.rfind("# TYPE " + current + " ", 0) == 0);
        } else {
            CHECK(line.substr(0, line.find_first_of("{ ")) == current);
            CHECK(samples.insert(line.substr(0, line.rfind(' '))).second);
        }
    }
    CHECK(described.size() == 11);
}

TEST_CASE("the value of a label may hold anything") {
    const std::string text = to_prometheus(metrics_snapshot{}, "p", {{"name", "a\"b\\c\nd"}});
    CHECK(has_line(text, R"(p_sessions_open{name="a\"b\\c\nd"} 0)"));
}

TEST_CASE("a session that ended without a reason is published, so that it is noticed") {
    metrics_snapshot values;
    CHECK(to_prometheus(values).find("reason=\"none\"") == std::string::npos);
    values.closed[0] = 1;
    CHECK(has_line(to_prometheus(values), "portunus_sessions_closed_total{reason=\"none\"} 1"));
}

TEST_CASE("names that the format forbids are refused, with what is allowed") {
    const std::string label_rule =
        "; allowed: letters, digits and underscores, not beginning with a digit or two "
        "underscores, each once, and not \"reason\"";
    const auto with_label = [](std::string name) {
        return thrown_by([&] { (void)to_prometheus(metrics_snapshot{}, "p", {{name, "x"}}); });
    };
    CHECK(with_label("reason") == "label \"reason\" is set by the library" + label_rule);
    for (const char* name : {"", "7up", "a-b", "a:b", "__name__", "a b", "\xc3\xa4"})
        CHECK(with_label(name) == "label \"" + std::string(name) + "\" is not a label's name" + label_rule);
    CHECK(with_label("_ok9") == "nothing thrown");
    CHECK(thrown_by([] {
              (void)to_prometheus(metrics_snapshot{}, "p", {{"a", "1"}, {"b", "2"}, {"a", "3"}});
          }) == "label \"a\" is given twice" + label_rule);

    for (const char* prefix : {"", "9p", "a-b", "a b"})
        CHECK(thrown_by([&] { (void)to_prometheus(metrics_snapshot{}, prefix); }) ==
              "prefix \"" + std::string(prefix) +
                  "\"; allowed: letters, digits, underscores and colons, not beginning with a digit");
    CHECK(to_prometheus(metrics_snapshot{}, "my:house_9").rfind("# HELP my:house_9_connections", 0) == 0);

    const std::vector<labelled_snapshot> alike{{{}, {{"a", "1"}}}, {{}, {{"a", "1"}}}};
    CHECK(thrown_by([&] { (void)to_prometheus(alike); }) ==
          "two snapshots have the labels {a=\"1\"}; allowed: labels that tell them apart");
}
