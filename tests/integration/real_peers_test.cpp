// SPDX-License-Identifier: BSL-1.0
// Servers of the library as strangers see them: Python's standard library and socat.
#include <portunus/net/listen.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "unit/net/server_support.hpp"

#include <csignal>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::close_reason;
using portunus::refusal;
using portunus::runtime;
using portunus::tcp_stream;

namespace {

child_process python(const std::string& program, std::uint16_t port) {
    return child_process(PORTUNUS_TEST_PYTHON, {"-c", program, std::to_string(port)});
}

/// Connects, reads to the end and says how it ended.
constexpr auto read_to_the_end = R"(
import socket, sys
try: # with a time limit Python's connect itself may be told of the reset
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as peer:
        got = b""
        while piece := peer.recv(4096):
            got += piece
        print("end", got.decode(), flush=True)
except ConnectionResetError:
    print("reset", flush=True)
)";

} // namespace

TEST_CASE("Python sees how a connection ends: refused with a reset, refused with an end, aborted, closed") {
    struct row {
        const char* what;
        const char* seen;
    };
    const row r = GENERATE(row{"refuse by reset", "reset"}, row{"refuse by close", "end "},
                           row{"abort", "reset"}, row{"close", "end bye"});
    CAPTURE(r.what);
    const std::string_view what = r.what;
    auto door = any_door();
    if (what == "refuse by reset") door.policy = accept_policy::deny_all().refuse_with(refusal::reset);
    if (what == "refuse by close") door.policy = accept_policy::deny_all().refuse_with(refusal::close);
    runtime rt(1, portunus::logger::silent());
    const auto server = rt.listen(door, [abort = what == "abort"](tcp_stream stream) -> awaitable<void> {
        if (abort) {
            stream.abort();
            co_return;
        }
        auto said = co_await stream.write("bye");
        (void)said;
    });
    running running_now(rt);
    auto peer = python(read_to_the_end, server.port());
    CHECK(peer.rest() == std::string(r.seen) + "\n");
    CHECK(peer.wait().code == 0);
    CHECK(running_now.stop() == 0);
}

TEST_CASE("socat half-closes after its request and still gets all of the answer") {
    if (!has_program("socat")) {
        WARN("skipped: socat is not on this machine");
        return;
    }
    runtime rt(1, portunus::logger::silent());
    const auto server = rt.listen(any_door(), &echo_lines);
    running r(rt);
    child_process socat("socat", {"-t", "20", "-", "TCP:127.0.0.1:" + std::to_string(server.port())});
    std::string sent;
    for (int i = 0; i < 20'000; ++i) sent += "line " + std::to_string(i) + "\n";
    std::thread writing([&] {
        socat.write(sent);
        socat.close_input(); // socat then shuts its sending direction down
    });
    const std::string got = socat.rest();
    writing.join();
    CHECK(got.size() == sent.size());
    CHECK((got == sent));
    CHECK(socat.wait().code == 0);
    CHECK(r.stop() == 0);
    CHECK(server.snapshot().closed_by(close_reason::eof) == 1);
}

TEST_CASE("a peer that vanishes without a word is ended by the idle limit") {
    auto door = any_door();
    door.stream.idle_limit = 1s;
    runtime rt(1, portunus::logger::silent());
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    auto peer = python(R"(
import os, signal, socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
peer.sendall(b"here\n")
print("answer", peer.recv(5).decode(), end="", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
)",
                       server.port());
    CHECK(peer.line_after("answer ") == "here");
    eventually([&] { return server.snapshot().closed_by(close_reason::idle) == 1; });
    peer.signal(SIGKILL);
    CHECK(peer.wait().signal == SIGKILL);
    CHECK(r.stop() == 0);
}
