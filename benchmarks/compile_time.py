#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What a source file costs the compiler: seconds and peak memory of small programs, each with one or two includes that it
uses, header-only and with the library compiled separately; beside them the echo server that people write with bare Asio.

    compile_time.py [--compiler g++] [--flags "-O2 -DNDEBUG"] [--rounds N]

Seconds are processor time of the compiler, the least of the rounds, so that a busy machine disturbs little. The last line
is the library itself: what the compiled form costs once in a build. The table that it prints is that of
docs/compile-time.md.
"""

import argparse
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = 1.25  # times bare Asio, for tcp_listener.hpp with framed_stream.hpp

SPAWN = """
int main() {
    boost::asio::io_context context{1};
    boost::asio::co_spawn(context, work(context.get_executor()), boost::asio::detached);
    context.run();
}
"""
ASIO = "#include <boost/asio/co_spawn.hpp>\n#include <boost/asio/detached.hpp>\n#include <boost/asio/io_context.hpp>\n"

BARE = """#include <boost/asio.hpp>

namespace asio = boost::asio;
using asio::ip::tcp;

asio::awaitable<void> echo(tcp::socket peer) {
    try {
        for (char data[1024];;) {
            const std::size_t n = co_await peer.async_read_some(asio::buffer(data), asio::use_awaitable);
            co_await asio::async_write(peer, asio::buffer(data, n), asio::use_awaitable);
        }
    } catch (const std::exception&) {
    }
}

asio::awaitable<void> listen() {
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor door(executor, {tcp::v4(), 7001});
    for (;;) {
        tcp::socket peer = co_await door.async_accept(asio::use_awaitable);
        asio::co_spawn(executor, echo(std::move(peer)), asio::detached);
    }
}

int main() {
    asio::io_context context{1};
    asio::co_spawn(context, listen(), asio::detached);
    context.run();
}
"""

DOOR = """
portunus::listener_options door() {
    portunus::listener_options options;
    options.ports = portunus::port_list("7001");
    return options;
}
"""

LISTENER = (
    "#include <portunus/net/tcp_listener.hpp>\n\n" + ASIO + DOOR + """
portunus::awaitable<void> work(boost::asio::any_io_executor executor) {
    portunus::tcp_listener listener(executor, door());
    for (;;) {
        auto next = co_await listener.accept();
        if (!next) co_return;
        next->stream.abort();
    }
}
""" + SPAWN
)

FRAMES = """
portunus::awaitable<void> echo(portunus::tcp_stream peer) {
    portunus::framed_stream frames(std::move(peer), portunus::line_codec{});
    for (;;) {
        auto batch = co_await frames.read_batch();
        if (!batch) co_return;
        for (std::string_view line : *batch)
            if (!frames.queue(line)) co_return;
        auto sent = co_await frames.flush();
        if (!sent) co_return;
    }
}
"""

FRAMED = (
    "#include <portunus/net/framed_stream.hpp>\n\n" + ASIO + FRAMES + """
portunus::awaitable<void> work(boost::asio::any_io_executor executor) {
    boost::asio::ip::tcp::socket connected(executor);
    co_await echo(portunus::tcp_stream(std::move(connected)));
}
""" + SPAWN
)

BOTH = (
    "#include <portunus/net/framed_stream.hpp>\n#include <portunus/net/tcp_listener.hpp>\n\n" + ASIO + DOOR + FRAMES + """
portunus::awaitable<void> work(boost::asio::any_io_executor executor) {
    portunus::tcp_listener listener(executor, door());
    for (;;) {
        auto next = co_await listener.accept();
        if (!next) co_return;
        boost::asio::co_spawn(executor, echo(std::move(next->stream)), boost::asio::detached);
    }
}
""" + SPAWN
)

UDP = (
    "#include <portunus/net/udp_socket.hpp>\n\n" + ASIO + """
portunus::awaitable<void> work(boost::asio::any_io_executor executor) {
    portunus::udp_options options;
    options.ports = portunus::port_list("7001");
    portunus::udp_socket socket(executor, std::move(options));
    for (;;) {
        auto got = co_await socket.receive();
        if (!got) co_return;
        auto sent = co_await socket.reply(*got, "hello");
        if (!sent) co_return;
    }
}
""" + SPAWN
)

UMBRELLA = (
    "#include <portunus/portunus.hpp>\n" + FRAMES + """
int main() {
    portunus::runtime rt;
    portunus::listener_options door;
    door.ports = portunus::port_list("7001");
    rt.listen(door, &echo);
    return rt.run_until_signal(std::chrono::seconds(10));
}
"""
)

LIBRARY = "#include <portunus/src.hpp>\n"

PROGRAMS = [
    ("`<boost/asio.hpp>`, an echo server", BARE),
    ("`tcp_listener.hpp`", LISTENER),
    ("`framed_stream.hpp`", FRAMED),
    ("both", BOTH),
    ("`udp_socket.hpp`", UDP),
    ("`portunus.hpp`", UMBRELLA),
]
SEPARATE = ["-DPORTUNUS_SEPARATE_COMPILATION", "-DBOOST_ASIO_SEPARATE_COMPILATION"]


def compile_once(command):
    """(seconds of the processor, peak memory in MiB) of one run of the compiler."""
    child = subprocess.Popen(command)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"compile_time.py: this failed: {shlex.join(command)}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(options, text, extra, directory):
    source = pathlib.Path(directory) / "program.cpp"
    source.write_text(text, encoding="utf-8")
    command = [*shlex.split(options.compiler), "-std=c++20", *shlex.split(options.flags), "-DBOOST_ASIO_NO_DEPRECATED"]
    command += ["-I", str(ROOT / "include"), *extra, "-c", str(source), "-o", os.devnull]
    runs = [compile_once(command) for _ in range(options.rounds)]
    return min(seconds for seconds, _ in runs), max(memory for _, memory in runs)


def cell(figures):
    return f"{figures[0]:.1f} s, {figures[1]:.0f} MiB"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--flags", default="-O2 -DNDEBUG")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")

    version = subprocess.run([*shlex.split(options.compiler), "--version"], capture_output=True, text=True, check=True)
    print(f"{version.stdout.splitlines()[0]}, {options.flags}, {platform.machine()}; least of {options.rounds}\n")
    print("| includes | header-only | to bare Asio | compiled form | to bare Asio |")
    print("|---|---|---|---|---|")
    yardstick = separate_yardstick = None
    reached = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, text in PROGRAMS:
            whole = measure(options, text, [], directory)
            separate = measure(options, text, SEPARATE, directory)
            yardstick = yardstick or whole[0]
            separate_yardstick = separate_yardstick or separate[0]
            ratios = [f"{figures[0] / yardstick:.2f}" for figures in (whole, separate)]
            print(f"| {name} | {cell(whole)} | {ratios[0]} | {cell(separate)} | {ratios[1]} |", flush=True)
            reached[name] = separate[0]
        library = measure(options, LIBRARY, SEPARATE, directory)
        print(f"| the library itself, once (`src.hpp`) | | | {cell(library)} | {library[0] / yardstick:.2f} |")
    ratio = reached["both"] / yardstick
    print(f"\nboth, compiled form: {ratio:.2f} times bare Asio ({reached['both'] / separate_yardstick:.2f} times bare Asio"
          f" that is compiled separately itself); the aim is {TARGET}" + ("" if ratio <= TARGET else "  MISSED"))


if __name__ == "__main__":
    main()
