// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/urgent.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/testing/run.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::errc;
using portunus::result;
using portunus::tcp_stream;
using portunus::urgent_extent;
using portunus::urgent_piece;
using portunus::urgent_reader;
using portunus::testing::destroy_at_every_point;

namespace {

/// The last byte is the urgent one.
void send_out_of_band(plain_socket& to, std::string_view bytes) {
    REQUIRE(::send(to.fd(), bytes.data(), bytes.size(), MSG_OOB | MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
}

/// Until the kernel of `fd` holds `n` bytes, or, with `urgent`, knows of an urgent one.
void arrived(int fd, int n, bool urgent = false) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    for (;;) {
        int there = 0;
        REQUIRE(::ioctl(fd, FIONREAD, &there) == 0);
        pollfd p = {fd, POLLPRI, 0};
        const bool known = ::poll(&p, 1, 0) > 0 && (p.revents & POLLPRI);
        if (there >= n && (known || !urgent)) return;
        REQUIRE(std::chrono::steady_clock::now() < end);
        ::poll(nullptr, 0, 1);
    }
}

/// A piece as text: "data" alone is normal; "<" begins a run, "|" is its mark, "~" is inside of one.
std::string shown(const urgent_piece& p) {
    std::string text;
    if (p.first) text += '<';
    if (p.urgent && !p.first) text += '~';
    text += p.data;
    if (p.mark) text += '|';
    return text;
}

/// Every piece that is there, one after the other.
std::vector<std::string> pieces(urgent_reader& reader, std::size_t size = 64) {
    std::vector<std::string> all;
    std::string buffer(size, '\0');
    for (;;) {
        auto piece = reader.try_read(asio::buffer(buffer));
        if (!piece) {
            CHECK((piece.error() == errc::would_block || piece.error() == errc::shutting_down));
            return all;
        }
        all.push_back(shown(*piece));
    }
}

using texts = std::vector<std::string>;

} // namespace

// sending
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("a stop delivers what had arrived behind an urgent byte as well") {
    world w;
    auto c = connect_pair(w.context);
    c.peer.send("before ");
    REQUIRE(::send(c.peer.fd(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
    c.peer.send("and after");
    w.until([&] {
        char all[64];
        return ::recv(c.stream.native_handle(), all, sizeof all, MSG_PEEK | MSG_DONTWAIT) > 0;
    });
    c.stream.request_stop();
    std::string got;
    for (;;) {
        std::array<char, 64> buffer;
        auto read = w.start(c.stream.read_some(asio::buffer(buffer)));
        w.settle();
        const auto n = read.get();
        if (!n) {
            CHECK(error_of(n) == errc::shutting_down);
            break;
        }
        got.append(buffer.data(), *n);
    }
    CHECK(got == "before and after");
}

TEST_CASE("of an urgent send the last byte is urgent and the others are normal, and all are counted") {
    world w;
    auto c = connect_pair(w.context);
    auto sent = w.start(portunus::send_urgent(c.stream, "XYZ"));
    w.settle();
    CHECK(sent.get().has_value());
    arrived(c.peer.fd(), 2, true);
    char byte = 0;
    CHECK(::recv(c.peer.fd(), &byte, 1, MSG_OOB) == 1);
    CHECK(byte == 'Z');
    CHECK(c.peer.read_available() == "XY");
    CHECK(c.stream.bytes_sent() == 3);
    CHECK(portunus::try_send_urgent(c.stream, '!').has_value());
    arrived(c.peer.fd(), 0, true);
    CHECK(::recv(c.peer.fd(), &byte, 1, MSG_OOB) == 1);
    CHECK(byte == '!');
    CHECK(c.stream.bytes_sent() == 4);
}

TEST_CASE("an urgent send of nothing sends nothing") {
    world w;
    auto c = connect_pair(w.context);
    auto sent = w.start(portunus::send_urgent(c.stream, ""));
    w.settle();
    CHECK(sent.get().has_value());
    CHECK(c.stream.bytes_sent() == 0);
}

TEST_CASE("an urgent send to a peer that takes nothing waits, and then marks the last byte and no other") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    const int on = 1;
    ::setsockopt(c.peer.fd(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
    // Far more than fits: it leaves in many parts, and none of them may end in a mark.
    std::string message = pattern(200'000);
    message.back() = '!';
    auto sent = w.start(portunus::send_urgent(c.stream, message));
    w.settle();
    CHECK_FALSE(sent.done());
    CHECK(portunus::try_send_urgent(c.stream, 'x').error() == errc::operation_in_progress);
    auto second = w.start(portunus::send_urgent(c.stream, "x"));
    w.settle();
    CHECK(error_of(second.get()) == errc::operation_in_progress);
    std::string got;
    std::vector<std::size_t> marks;
    w.until([&] {
        for (;;) {
            int at = 0;
            ::ioctl(c.peer.fd(), SIOCATMARK, &at);
            if (at) marks.push_back(got.size());
            char buffer[4096];
            const auto n = ::recv(c.peer.fd(), buffer, at ? 1 : sizeof buffer, MSG_DONTWAIT);
            if (n <= 0) break;
            got.append(buffer, static_cast<std::size_t>(n));
        }
        return got.size() == message.size();
    });
    CHECK(sent.get().has_value());
    CHECK(got == message);
    CHECK(marks == std::vector<std::size_t>{message.size() - 1});
}

TEST_CASE("an urgent byte that the kernel does not take would block, or waits until it is cancelled") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    const std::string bytes = pattern(std::size_t{1} << 16);
    while (c.stream.try_write_some(asio::buffer(bytes))) {
    }
    CHECK(error_of(portunus::try_send_urgent(c.stream, '!')) == errc::would_block);
    const bool alone = GENERATE(true, false);
    auto sent = w.start(portunus::send_urgent(c.stream, alone ? "!" : "ab!"));
    w.settle();
    CHECK_FALSE(sent.done());
    sent.cancel();
    w.settle();
    CHECK(error_of(sent.get()) == errc::canceled); // nothing of it had left
    CHECK(c.stream.is_open());
    c.stream.abort();
    auto after = w.start(portunus::send_urgent(c.stream, "ab!"));
    w.run();
    CHECK(error_of(after.get()) == errc::aborted_locally);
}

TEST_CASE("after our end nothing urgent is sent") {
    world w;
    auto c = connect_pair(w.context);
    auto half = w.start(c.stream.shutdown_send());
    w.settle();
    CHECK(half.get().has_value());
    CHECK(error_of(portunus::try_send_urgent(c.stream, '!')) == errc::closed_locally);
}

// out of line
// ------------------------------------------------------------------------------------------------------

TEST_CASE("an urgent byte is received out of line, before the normal bytes that came before it") {
    world w;
    auto c = connect_pair(w.context);
    CHECK(error_of(portunus::try_receive_urgent(c.stream)) == errc::would_block);
    c.peer.send("before");
    send_out_of_band(c.peer, "!");
    c.peer.send("after");
    auto urgent = w.start(portunus::receive_urgent(c.stream));
    w.until([&] { return urgent.done(); });
    CHECK(must(urgent.get()) == '!');
    CHECK(c.stream.bytes_received() == 1);
    CHECK(error_of(portunus::try_receive_urgent(c.stream)) == errc::would_block); // told once
    std::array<char, 64> buffer;
    CHECK_FALSE(portunus::at_mark(c.stream).value());
    CHECK(must(c.stream.try_read_some(asio::buffer(buffer))) == 6); // a read stops at the mark
    CHECK(portunus::at_mark(c.stream).value());
    result<std::size_t> after = errc::would_block;
    w.until([&] { // at the mark the kernel counts no byte as unread
        after = c.stream.try_read_some(asio::buffer(buffer));
        return after.has_value();
    });
    CHECK(must(after) == 5);
    CHECK(std::string_view(buffer.data(), 5) == "after");
    CHECK_FALSE(portunus::at_mark(c.stream).value());
}

TEST_CASE("a wait for an urgent byte completes when it comes, beside a read and a write that wait") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    std::array<char, 8> buffer;
    auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
    const std::string bytes = pattern(std::size_t{1} << 16);
    while (c.stream.try_write_some(asio::buffer(bytes))) {
    }
    auto writing = w.start(c.stream.write("x"));
    auto urgent = w.start(portunus::wait_urgent(c.stream));
    auto another = w.start(portunus::receive_urgent(c.stream));
    w.settle();
    CHECK_FALSE(urgent.done());
    c.peer.send("ab");
    w.until([&] { return reading.done(); });
    CHECK(must(reading.get()) == 2);
    CHECK_FALSE(urgent.done());
    CHECK_FALSE(another.done());
    send_out_of_band(c.peer, "!");
    w.until([&] { return urgent.done() && another.done(); });
    CHECK(urgent.get().has_value());
    CHECK(must(another.get()) == '!');
    CHECK_FALSE(writing.done());
    auto again = w.start(portunus::wait_urgent(c.stream)); // it was received: no spinning on it
    w.settle();
    CHECK_FALSE(again.done());
    send_out_of_band(c.peer, "?");
    w.until([&] { return again.done(); });
    CHECK(again.get().has_value());
    auto at_once = w.start(portunus::wait_urgent(c.stream)); // it is still there
    w.settle();
    CHECK(at_once.get().has_value());
    CHECK(must(portunus::try_receive_urgent(c.stream)) == '?');
}

TEST_CASE("a wait for an urgent byte ends with what ends the connection") {
    world w;
    auto c = connect_pair(w.context);
    auto urgent = w.start(portunus::receive_urgent(c.stream));
    w.settle();
    REQUIRE_FALSE(urgent.done());
    SECTION("our abort") {
        c.stream.abort();
        w.settle();
        CHECK(error_of(urgent.get()) == errc::aborted_locally);
    }
    SECTION("its handle") {
        { const tcp_stream gone(std::move(c.stream)); }
        w.settle();
        CHECK(error_of(urgent.get()) == errc::canceled);
    }
    SECTION("cancel of the stream") {
        c.stream.cancel();
        w.settle();
        CHECK(error_of(urgent.get()) == errc::canceled);
        CHECK(c.stream.is_open());
    }
    SECTION("cancel of the coroutine") {
        urgent.cancel();
        w.settle();
        CHECK(error_of(urgent.get()) == errc::canceled);
    }
    SECTION("the idle limit") {
        w.pass(60s);
        CHECK(error_of(urgent.get()) == errc::idle_timeout);
    }
    SECTION("a stop of the program") {
        c.stream.request_stop();
        w.settle();
        CHECK(error_of(urgent.get()) == errc::shutting_down);
    }
    SECTION("the peer's reset") {
        c.peer.reset();
        w.until([&] { return urgent.done(); });
        CHECK(error_of(urgent.get()) == boost::system::errc::connection_reset);
        CHECK(c.stream.reason() == close_reason::reset);
    }
    SECTION("the peer's end, when a read meets it") {
        c.peer.close();
        std::array<char, 8> buffer;
        auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
        w.until([&] { return urgent.done(); });
        CHECK(error_of(urgent.get()) == errc::end_of_stream);
        CHECK(error_of(reading.get()) == errc::end_of_stream);
        auto again = w.start(portunus::wait_urgent(c.stream));
        w.settle();
        CHECK(error_of(again.get()) == errc::end_of_stream);
    }
    w.settle();
}

TEST_CASE("a wait for an urgent byte does not spin when both sides have finished and a peer stays away") {
    world w;
    auto c = connect_pair(w.context);
    c.peer.shutdown_send();
    auto half = w.start(c.stream.shutdown_send());
    w.settle();
    CHECK(half.get().has_value());
    auto urgent = w.start(portunus::wait_urgent(c.stream));
    w.settle();
    CHECK(error_of(urgent.get()) == errc::end_of_stream);
}

TEST_CASE("of two urgent bytes in a row the first is lost out of line, as documented") {
    world w;
    auto c = connect_pair(w.context);
    send_out_of_band(c.peer, "1");
    send_out_of_band(c.peer, "2");
    arrived(c.stream.native_handle(), 0, true);
    std::string got;
    w.until([&] {
        auto byte = portunus::try_receive_urgent(c.stream);
        if (byte) got += *byte;
        return got.find('2') != std::string::npos;
    });
    std::array<char, 8> buffer;
    auto normal = c.stream.try_read_some(asio::buffer(buffer));
    // Whether "1" was eaten or fell into the normal data depends on what the kernel had seen by then.
    CHECK((!normal || std::string_view(buffer.data(), *normal) == "1"));
    CHECK(got.back() == '2');
}

TEST_CASE("out-of-line receiving is refused for a stream that takes urgent data in line") {
    world w;
    auto c = connect_pair(w.context);
    REQUIRE(portunus::set_urgent_inline(c.stream, true).has_value());
    send_out_of_band(c.peer, "!");
    auto there = w.start(portunus::wait_urgent(c.stream));
    w.until([&] { return there.done(); });
    CHECK(there.get().has_value());
    CHECK(error_of(portunus::try_receive_urgent(c.stream)) == errc::invalid_option);
    CHECK(portunus::at_mark(c.stream).value());
    std::array<char, 8> buffer;
    CHECK(must(c.stream.try_read_some(asio::buffer(buffer))) == 1);
    CHECK(buffer[0] == '!');
    REQUIRE(portunus::set_urgent_inline(c.stream, false).has_value());
    CHECK(error_of(portunus::try_receive_urgent(c.stream)) == errc::would_block);
}

TEST_CASE("a handle without a connection says so in every urgent operation") {
    world w;
    tcp_stream none;
    urgent_reader reader(none), owner(tcp_stream{});
    std::array<char, 4> buffer;
    auto a = w.start(portunus::send_urgent(none, "x"));
    auto b = w.start(portunus::wait_urgent(none));
    auto d = w.start(portunus::receive_urgent(none));
    auto e = w.start(reader.read(asio::buffer(buffer)));
    auto f = w.start(owner.read(asio::buffer(buffer)));
    w.run();
    CHECK(error_of(a.get()) == errc::not_connected);
    CHECK(error_of(b.get()) == errc::not_connected);
    CHECK(error_of(d.get()) == errc::not_connected);
    CHECK(error_of(e.get()) == errc::not_connected);
    CHECK(error_of(f.get()) == errc::not_connected);
    CHECK(error_of(portunus::try_send_urgent(none, 'x')) == errc::not_connected);
    CHECK(error_of(portunus::try_receive_urgent(none)) == errc::not_connected);
    CHECK(error_of(portunus::at_mark(none)) == errc::not_connected);
    CHECK(error_of(portunus::set_urgent_inline(none, true)) == errc::not_connected);
    CHECK(error_of(reader.try_read(asio::buffer(buffer))) == errc::not_connected);
}

// in line
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("what stands before the mark is the urgent run, and what follows is normal, never mixed") {
    world w;
    auto c = connect_pair(w.context);
    urgent_reader reader(c.stream);
    c.peer.send("ab");
    send_out_of_band(c.peer, "!");
    c.peer.send("cd");
    arrived(c.stream.native_handle(), 5, true);
    CHECK(pieces(reader) == texts{"<ab!|", "cd"});
    c.peer.send("normal");
    arrived(c.stream.native_handle(), 6);
    CHECK(pieces(reader) == texts{"normal"});
    send_out_of_band(c.peer, "?");
    arrived(c.stream.native_handle(), 1, true);
    CHECK(pieces(reader) == texts{"<?|"}); // first and mark both set
    CHECK(c.stream.bytes_received() == 12);
}

TEST_CASE("a small buffer cuts a run into pieces: first on its first, mark on its last") {
    world w;
    auto c = connect_pair(w.context);
    urgent_reader reader(c.stream);
    c.peer.send("abcd");
    send_out_of_band(c.peer, "!");
    c.peer.send("ef");
    arrived(c.stream.native_handle(), 7, true);
    const auto [size, expected] = GENERATE(table<std::size_t, texts>({
        {1, {"<a", "~b", "~c", "~d", "~!|", "e", "f"}},
        {2, {"<ab", "~cd", "~!|", "ef"}},
        {3, {"<abc", "~d!|", "ef"}},
        {4, {"<abcd", "~!|", "ef"}},
        {5, {"<abcd!|", "ef"}},
    }));
    CHECK(pieces(reader, size) == expected);
}

TEST_CASE("with the last byte alone as the urgent one, everything else is normal") {
    world w;
    auto c = connect_pair(w.context);
    urgent_reader reader(c.stream, urgent_extent::last_byte);
    c.peer.send("ab");
    send_out_of_band(c.peer, "cd!");
    c.peer.send("ef");
    arrived(c.stream.native_handle(), 7, true);
    CHECK(pieces(reader) == texts{"abcd", "<!|", "ef"});
}

TEST_CASE("bytes that were read before the notice came were normal, and the run is the rest") {
    world w;
    auto c = connect_pair(w.context);
    urgent_reader reader(c.stream);
    c.peer.send("ab");
    arrived(c.stream.native_handle(), 2);
    CHECK(pieces(reader) == texts{"ab"});
    send_out_of_band(c.peer, "cd!");
    arrived(c.stream.native_handle(), 3, true);
    CHECK(pieces(reader) == texts{"<cd!|"});
}

TEST_CASE("a second urgent byte before the first was read: both are kept, in one run with one mark") {
    world w;
    auto c = connect_pair(w.context);
    urgent_reader reader(c.stream);
    send_out_of_band(c.peer, "1");
    send_out_of_band(c.peer, "2");
    c.peer.send("n");
    arrived(c.stream.native_handle(), 3, true);
    CHECK(pieces(reader) == texts{"<12|", "n"});
    SECTION("with bytes between, and the run begun") {
        c.peer.send("ab");
        send_out_of_band(c.peer, "3");
        arrived(c.stream.native_handle(), 3, true);
        std::array<char, 1> one;
        CHECK(shown(reader.try_read(asio::buffer(one)).value()) == "<a");
        c.peer.send("cd");
        send_out_of_band(c.peer, "4");
        c.peer.send("n");
        arrived(c.stream.native_handle(), 6, true);
        CHECK(pieces(reader) == texts{"~b3cd4|", "n"});
    }
}

TEST_CASE("a pending read completes with the urgent flag when the byte comes") {
    world w;
    auto c = connect_pair(w.context);
    urgent_reader reader(c.stream);
    std::array<char, 16> buffer;
    auto reading = w.start(reader.read(asio::buffer(buffer)));
    w.settle();
    CHECK_FALSE(reading.done());
    CHECK(error_of(reader.try_read(asio::buffer(buffer))) == errc::operation_in_progress);
    auto second = w.start(reader.read(asio::buffer(buffer)));
    w.settle();
    CHECK(error_of(second.get()) == errc::operation_in_progress);
    send_out_of_band(c.peer, "!");
    w.until([&] { return reading.done(); });
    CHECK(shown(must(reading.get())) == "<!|");
}

TEST_CASE("a reader ends with what ends the connection, after everything that had arrived") {
    world w;
    auto c = connect_pair(w.context);
    std::optional<urgent_reader> reader(std::in_place, c.stream);
    std::array<char, 16> buffer;
    CHECK(error_of(reader->try_read(asio::buffer(buffer))) == errc::would_block);
    CHECK(error_of(reader->try_read({})) == errc::invalid_option);
    SECTION("the peer's end") {
        send_out_of_band(c.peer, "a!");
        c.peer.close();
        arrived(c.stream.native_handle(), 2, true);
        auto first = w.start(reader->read(asio::buffer(buffer)));
        w.settle();
        CHECK(shown(must(first.get())) == "<a!|");
        for (int i = 0; i < 2; ++i) {
            auto end = w.start(reader->read(asio::buffer(buffer)));
            w.until([&] { return end.done(); });
            CHECK(error_of(end.get()) == errc::end_of_stream);
        }
    }
    SECTION("the peer's reset") {
        auto reading = w.start(reader->read(asio::buffer(buffer)));
        w.settle();
        c.peer.reset();
        w.until([&] { return reading.done(); });
        CHECK(error_of(reading.get()) == boost::system::errc::connection_reset);
        CHECK(error_of(reader->try_read(asio::buffer(buffer))) == boost::system::errc::connection_reset);
        CHECK(c.stream.reason() == close_reason::reset);
    }
    SECTION("a stop of the program") {
        send_out_of_band(c.peer, "a!");
        arrived(c.stream.native_handle(), 2, true);
        c.stream.request_stop();
        CHECK(pieces(*reader) == texts{"<a!|"});
        c.peer.send("more");
        arrived(c.stream.native_handle(), 4);
        CHECK(error_of(reader->try_read(asio::buffer(buffer))) == errc::shutting_down);
    }
    SECTION("the stream that it borrows is destroyed") {
        auto reading = w.start(reader->read(asio::buffer(buffer)));
        w.settle();
        { const tcp_stream gone(std::move(c.stream)); }
        w.settle();
        CHECK(error_of(reading.get()) == errc::canceled);
        CHECK(error_of(reader->try_read(asio::buffer(buffer))) == errc::canceled);
    }
    SECTION("the reader is destroyed: the stream that it borrows goes on") {
        auto reading = w.start(reader->read(asio::buffer(buffer)));
        w.settle();
        reader.reset();
        w.settle();
        CHECK_FALSE(reading.done());
        c.stream.cancel_read();
        w.settle();
        CHECK(error_of(reading.get()) == errc::canceled);
        CHECK(c.stream.is_open());
    }
    SECTION("the coroutine is cancelled, and no byte is lost by it") {
        auto reading = w.start(reader->read(asio::buffer(buffer)));
        w.settle();
        reading.cancel();
        w.settle();
        CHECK(error_of(reading.get()) == errc::canceled);
        send_out_of_band(c.peer, "!");
        arrived(c.stream.native_handle(), 1, true);
        CHECK(pieces(*reader) == texts{"<!|"});
    }
}

TEST_CASE("a reader that owns its stream ends it, and a pending read completes with canceled") {
    world w;
    auto c = connect_pair(w.context);
    std::optional<urgent_reader> reader(std::in_place, std::move(c.stream));
    CHECK(reader->stream().is_open());
    urgent_reader moved(std::move(*reader));
    reader.reset();
    std::array<char, 16> buffer;
    auto reading = w.start(moved.read(asio::buffer(buffer)));
    w.settle();
    {
        auto other = connect_pair(w.context);
        moved = urgent_reader(std::move(other.stream));
        w.settle();
    }
    CHECK(error_of(reading.get()) == errc::canceled);
    CHECK(c.peer.read_to_end().second == ending::eof);
    CHECK(moved.stream().is_open());
}

TEST_CASE("whatever a peer sends, no byte is lost, added or moved, and every mark is where it was sent") {
    std::mt19937 random(20260721);
    for (int round = 0; round < 30; ++round) {
        world w;
        auto c = connect_pair(w.context);
        urgent_reader reader(c.stream, round % 2 ? urgent_extent::to_mark : urgent_extent::last_byte);
        std::string sent, got;
        std::vector<std::size_t> marks_sent, marks;
        std::string buffer(1 + random() % 40, '\0');
        const auto read_all = [&] {
            bool in_run = false;
            for (;;) {
                auto piece = reader.try_read(asio::buffer(buffer));
                if (!piece) {
                    CHECK(piece.error() == errc::would_block);
                    break;
                }
                REQUIRE_FALSE(piece->data.empty());
                CHECK(piece->first == (piece->urgent && !in_run));
                CHECK((piece->urgent || !piece->mark));
                got += piece->data;
                if (piece->mark) marks.push_back(got.size() - 1);
                in_run = piece->urgent && !piece->mark;
            }
            CHECK_FALSE(in_run);
        };
        for (int step = 0; step < 60; ++step) {
            const std::string bytes = pattern(1 + random() % 50, sent.size());
            sent += bytes;
            if (random() % 3 == 0) {
                send_out_of_band(c.peer, bytes);
                marks_sent.push_back(sent.size() - 1);
                // One pointer at a time: everything is read before the next one is sent.
                arrived(c.stream.native_handle(), static_cast<int>(sent.size() - got.size()), true);
                read_all();
            } else {
                c.peer.send(bytes);
                if (random() % 2) continue;
                arrived(c.stream.native_handle(), static_cast<int>(sent.size() - got.size()));
                read_all();
            }
        }
        arrived(c.stream.native_handle(), static_cast<int>(sent.size() - got.size()));
        read_all();
        CHECK(got == sent);
        CHECK(marks == marks_sent);
    }
}

// destroyed at every point
// -----------------------------------------------------------------------------------------

namespace {

/// Urgent bytes one way and the other, with a reader that owns its stream, and waits for more.
struct urgent_scene {
    explicit urgent_scene(asio::io_context& context)
        : c(connect_pair(context)), second(connect_pair(context)) {
        reader.emplace(std::move(c.stream));
        plain.emplace(std::move(second.stream));
        c.peer.send("ab");
        send_out_of_band(c.peer, "!");
        send_out_of_band(second.peer, "?");
        arrived(reader->stream().native_handle(), 3, true);
        arrived(plain->native_handle(), 0, true);
    }
    awaitable<void> operator()() {
        if (!reader || !plain) co_return;
        auto executor = plain->get_executor();
        auto sending = portunus::testing::start(executor, portunus::send_urgent(*plain, "xyz"));
        auto byte = co_await portunus::receive_urgent(*plain);
        CHECK((byte || byte.error() == errc::canceled));
        if (!reader || !plain) co_return;
        auto more = portunus::testing::start(executor, portunus::receive_urgent(*plain));
        auto waiting = portunus::testing::start(executor, portunus::wait_urgent(*plain));
        auto piece = co_await reader->read(asio::buffer(buffer));
        CHECK((piece || piece.error() == errc::canceled));
        if (!reader || !plain) co_return;
        auto next = portunus::testing::start(executor, reader->read(asio::buffer(other)));
        co_await asio::post(asio::deferred);
        co_await asio::post(asio::deferred);
        reader.reset();
        plain.reset();
        co_await sending.join();
        co_await more.join();
        co_await waiting.join();
        co_await next.join();
    }
    void drop() {
        reader.reset();
        plain.reset();
    }

    connection c, second;
    std::array<char, 16> buffer{}, other{};
    std::optional<urgent_reader> reader;
    std::optional<tcp_stream> plain;
};

} // namespace

TEST_CASE("urgent operations can be destroyed at every point, handles or context first") {
    const std::size_t before = open_descriptors();
    const std::size_t handlers =
        destroy_at_every_point([](asio::io_context& context) { return urgent_scene(context); });
    CHECK(handlers > 8);
    CHECK(open_descriptors() == before);
}
