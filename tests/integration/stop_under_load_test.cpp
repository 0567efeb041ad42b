// SPDX-License-Identifier: BSL-1.0
// A server is stopped while its clients send all the time. Whatever its handler has counted as handled must
// have been answered, and the answer must have arrived.
#include <portunus/net/listen.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "unit/net/net_support.hpp"
#include "unit/net/server_support.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::framed_stream;
using portunus::line_codec;
using portunus::line_mode;
using portunus::runtime;
using portunus::stop_mode;
using portunus::tcp_stream;

namespace {

constexpr std::size_t line_size = 15; // "c0003 00000042\n"

std::string line_of(std::size_t client, std::size_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "c%04zu %08zu\n", client % 10'000, number % 100'000'000);
    return text;
}

/// How many lines of each client the handlers have taken. One cell a client, written by one session alone.
struct scoreboard {
    explicit scoreboard(std::size_t clients) : handled(clients) {}
    std::vector<std::atomic<std::uint64_t>> handled;

    void count(std::string_view line) {
        const auto client = static_cast<std::size_t>(std::stoul(std::string(line.substr(1, 4))));
        handled[client].fetch_add(1, std::memory_order_relaxed);
    }
};

/// A line is counted when the handler takes it, before it is answered.
awaitable<void> count_and_answer(tcp_stream stream, scoreboard& board) {
    framed_stream frames(std::move(stream), line_codec(line_mode::lf));
    for (;;) {
        auto batch = co_await frames.read_batch();
        if (!batch) co_return;
        for (const std::string_view line : *batch) {
            board.count(line);
            auto queued = frames.queue(line);
            if (!queued) {
                auto sent = co_await frames.flush();
                if (!sent) co_return;
                queued = frames.queue(line);
            }
        }
        auto sent = co_await frames.flush();
        if (!sent) co_return;
    }
}

/// The same, a frame at a time.
awaitable<void> count_and_answer_singly(tcp_stream stream, scoreboard& board) {
    framed_stream frames(std::move(stream), line_codec(line_mode::lf));
    for (;;) {
        auto line = co_await frames.read();
        if (!line) co_return;
        board.count(*line);
        auto sent = co_await frames.write(*line);
        if (!sent) co_return;
    }
}

/// A client that sends numbered lines as fast as it can and reads what comes back, until the server ends it.
struct client {
    std::size_t number = 0;
    std::uint64_t sent = 0;
    std::string received;
    ending end = ending::open;
    std::atomic<bool> answered{false}; // at least once

    void run(const tcp::endpoint& to, const std::atomic<bool>& go_on) {
        plain_socket s;
        try {
            s = plain_socket::connected_to(to);
        } catch (const std::exception&) {
            return; // the door is closed
        }
        std::string unsent;
        bool sending = true;
        while (end == ending::open) {
            if (sending && unsent.size() < 32 * line_size) {
                unsent += line_of(number, static_cast<std::size_t>(sent));
                ++sent;
            }
            if (!go_on && sending) { // the test is over: complete the line, then finish
                sending = false;
            }
            pollfd ready{s.fd(), static_cast<short>(POLLIN | (unsent.empty() ? 0 : POLLOUT)), 0};
            ::poll(&ready, 1, 1000);
            if (!unsent.empty() && (ready.revents & POLLOUT) != 0) {
                const auto n = ::send(s.fd(), unsent.data(), unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n > 0) unsent.erase(0, static_cast<std::size_t>(n));
                if (n < 0 && errno != EAGAIN) {
                    unsent.clear();
                    sending = false;
                }
            }
            if (unsent.empty() && !sending) s.shutdown_send();
            if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                char buffer[65536];
                const auto n = ::recv(s.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
                if (n > 0) {
                    received.append(buffer, static_cast<std::size_t>(n));
                    answered = true;
                }
                if (n == 0) end = ending::eof;
                if (n < 0 && errno != EAGAIN) end = errno == ECONNRESET ? ending::reset : ending::failed;
            }
        }
    }

    /// How many answers came, each the next one and whole. Throws where one is wrong.
    std::uint64_t answers() const {
        if (received.size() % line_size != 0) throw std::runtime_error("an answer was cut");
        const std::uint64_t n = received.size() / line_size;
        for (std::uint64_t i = 0; i < n; ++i)
            if (std::string_view(received).substr(i * line_size, line_size) !=
                line_of(number, static_cast<std::size_t>(i)))
                throw std::runtime_error("a wrong answer");
        return n;
    }
};

struct crowd {
    crowd(std::size_t n, const tcp::endpoint& to) : clients(n) {
        for (std::size_t i = 0; i < n; ++i) {
            clients[i].number = i;
            threads.emplace_back([this, i, to] { clients[i].run(to, go_on); });
        }
    }
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;
    ~crowd() { join(); }
    void join() {
        go_on = false;
        for (auto& t : threads)
            if (t.joinable()) t.join();
    }
    std::atomic<bool> go_on{true};
    std::vector<client> clients;
    std::vector<std::thread> threads;
};

} // namespace

TEST_CASE(
    "a server that is stopped under load answers every line that its handler took, and the answer arrives") {
    const unsigned contexts = GENERATE(1U, 4U);
    const bool singly = GENERATE(false, true);
    for (int round = 0; round < 5; ++round) {
        CAPTURE(contexts, singly, round);
        constexpr std::size_t many = 12;
        scoreboard board(many);
        runtime rt(contexts, portunus::logger::silent());
        auto door = any_door();
        door.stream.receive_buffer = 16384; // all of it is to be answered after the stop
        const auto server = rt.listen(door, [&board, singly](tcp_stream stream) -> awaitable<void> {
            return singly ? count_and_answer_singly(std::move(stream), board)
                          : count_and_answer(std::move(stream), board);
        });
        running r(rt);
        crowd c(many, server.endpoints().front());
        // In the thick of it: every client has been answered many times.
        eventually([&] {
            std::uint64_t least = UINT64_MAX;
            for (const auto& h : board.handled) least = std::min<std::uint64_t>(least, h);
            return least > static_cast<std::uint64_t>(50 + 100 * round);
        });
        const int value = r.stop(20s);
        c.join();
        CHECK(value == 0);
        for (const client& one : c.clients) {
            INFO("client " << one.number << " sent " << one.sent);
            REQUIRE(one.answers() == board.handled[one.number]);
            REQUIRE(one.end == ending::eof);
        }
        const auto s = server.snapshot();
        CHECK(s.sessions_open() == 0);
        CHECK(s.messages_in == s.messages_out);
    }
}

TEST_CASE(
    "connections that arrive while the server is stopped are either never made or served to an orderly end") {
    for (int round = 0; round < 10; ++round) {
        CAPTURE(round);
        scoreboard board(1);
        runtime rt(round % 2 == 0 ? 1 : 3, portunus::logger::silent());
        const auto server = rt.listen(any_door(), [&board](tcp_stream stream) -> awaitable<void> {
            return count_and_answer(std::move(stream), board);
        });
        const auto to = server.endpoints().front();
        running r(rt);
        std::atomic<bool> go_on{true};
        std::atomic<std::size_t> tried{0};
        std::vector<plain_socket> made;
        std::thread knocking([&] {
            while (go_on) {
                const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                plain_socket s(fd);
                const timeval brief{0, 30'000};
                ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof brief);
                ++tried;
                if (::connect(fd, to.data(), static_cast<socklen_t>(to.size())) != 0) continue;
                s.shutdown_send(); // nothing more to say: the server ends it in its own time
                made.push_back(std::move(s));
            }
        });
        eventually([&] { return tried > static_cast<std::size_t>(10 * (round + 1)); });
        const int value = r.stop(20s);
        go_on = false;
        knocking.join();
        CHECK(value == 0);
        CHECK_FALSE(made.empty());
        for (auto& s : made) REQUIRE(s.read_to_end().second == ending::eof);
        CHECK(server.snapshot().accepted >= made.size());
    }
}

// the same, from outside: a program that gets SIGTERM
// ----------------------------------------------------------------

TEST_CASE("child: a line server that is stopped by a signal", "[.][child]") {
    scoreboard board(8);
    runtime rt(2, portunus::logger::silent());
    const auto server = rt.listen(any_door(), [&board](tcp_stream stream) -> awaitable<void> {
        return count_and_answer(std::move(stream), board);
    });
    tell_parent("port " + std::to_string(server.port()));
    const int value = rt.run_until_signal(20s);
    for (const auto& h : board.handled) tell_parent("handled " + std::to_string(h));
    std::_Exit(value);
}

TEST_CASE("SIGTERM under load: the program ends with 0, and every line that it took was answered") {
    const int number = GENERATE(SIGTERM, SIGINT);
    auto child = child_process::of_test("child: a line server that is stopped by a signal");
    const auto port = static_cast<std::uint16_t>(std::stoi(child.line_after("port ")));
    crowd c(8, {loopback, port});
    eventually([&] {
        return std::all_of(c.clients.begin(), c.clients.end(),
                           [](const client& one) { return one.answered.load(); });
    });
    child.signal(number);
    std::vector<std::uint64_t> handled;
    for (std::size_t i = 0; i < 8; ++i) handled.push_back(std::stoull(child.line_after("handled ")));
    const auto status = child.wait();
    c.join();
    CHECK(status.code == 0);
    CHECK(status.signal == 0);
    for (const client& one : c.clients) {
        INFO("client " << one.number);
        CHECK(one.answers() == handled[one.number]);
        CHECK(one.end == ending::eof);
        CHECK(handled[one.number] > 0);
    }
}
