// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/serial_stream.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/relay.hpp>
#include <portunus/testing/run.hpp>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::errc;
using portunus::error;
using portunus::framed_stream;
using portunus::line_codec;
using portunus::line_mode;
using portunus::relay;
using portunus::serial_flow_control;
using portunus::serial_options;
using portunus::serial_parity;
using portunus::serial_stream;
using portunus::testing::destroy_at_every_point;
namespace sys = boost::system::errc;

namespace {

/// The device at the other end of a serial line: the master of a pseudo-terminal. Nothing it does waits.
class device {
  public:
    device() : fd_(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
        char name[64];
        if (fd_ < 0 || ::grantpt(fd_) != 0 || ::unlockpt(fd_) != 0 ||
            ::ptsname_r(fd_, name, sizeof name) != 0)
            throw std::system_error(errno, std::generic_category(), "making a pseudo-terminal");
        path_ = name;
    }
    device(device&& o) noexcept : fd_(std::exchange(o.fd_, -1)), path_(std::move(o.path_)) {}
    device& operator=(device&&) = delete;
    ~device() { close(); }

    const std::string& path() const { return path_; }
    int fd() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    void send(std::string_view text) {
        if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            throw std::system_error(errno, std::generic_category(), "writing to a pseudo-terminal");
    }
    std::string read_available() {
        std::string text;
        char buffer[4096];
        for (ssize_t n; (n = ::read(fd_, buffer, sizeof buffer)) > 0;)
            text.append(buffer, static_cast<std::size_t>(n));
        hung_up_ = errno == EIO;
        return text;
    }
    /// Whether the port was closed, as of the last read.
    bool hung_up() const { return hung_up_; }
    /// The settings of the port.
    termios settings() const {
        termios t = {};
        ::tcgetattr(fd_, &t);
        return t;
    }

  private:
    int fd_;
    std::string path_;
    bool hung_up_ = false;
};

serial_stream open(world& w, const device& d, const serial_options& options = {}) {
    return must(serial_stream::open(w.context.get_executor(), d.path(), options));
}
error open_error(world& w, std::string_view path, const serial_options& options = {}) {
    return error_of(serial_stream::open(w.context.get_executor(), path, options));
}

/// What the device gets, until it is this much.
std::string received(world& w, device& d, std::size_t size) {
    std::string got;
    w.until([&] {
        got += d.read_available();
        return got.size() >= size;
    });
    return got;
}

/// Fills the line until nothing more fits, and stays so: what was written moves on into the device's buffer
/// by a worker of the kernel, which may make room once more.
std::size_t fill(serial_stream& port) {
    const std::string block(4096, 'x');
    std::size_t all = 0;
    for (int still_full = 0; still_full < 10;) {
        ++still_full;
        while (const auto n = port.try_write_some(asio::buffer(block))) {
            all += *n;
            still_full = 0;
        }
        std::this_thread::sleep_for(5ms);
    }
    return all;
}

awaitable<portunus::result<std::string>> read(serial_stream& port) {
    std::string buffer(256, '\0');
    const auto n = co_await port.read_some(asio::buffer(buffer));
    if (!n) co_return n.error();
    buffer.resize(*n);
    co_return buffer;
}

} // namespace

// opening
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("every byte passes in both directions as it is: no echo, no translation, no line editing") {
    world w;
    device d;
    serial_stream port = open(w, d);
    CHECK(port.path() == d.path());
    std::string all(256, '\0');
    for (std::size_t i = 0; i < 256; ++i) all[i] = static_cast<char>(i);
    CHECK(port.try_write_some(asio::buffer(all)).value() == 256);
    CHECK((received(w, d, 256) == all));
    d.send(all);
    std::string got;
    w.until([&] {
        char buffer[64];
        if (const auto n = port.try_read_some(asio::buffer(buffer))) got.append(buffer, *n);
        return got.size() >= 256;
    });
    CHECK((got == all));
    w.settle();
    CHECK(d.read_available().empty()); // nothing came back by itself
    CHECK(port.bytes_received() == 256);
    CHECK(port.bytes_sent() == 256);
}

TEST_CASE("the settings are what was asked for, and are restored however the port is closed") {
    world w;
    device d;
    const termios before = d.settings();
    const int how = GENERATE(0, 1, 2, 3);
    std::optional<serial_stream> port =
        open(w, d, {.baud = 9600, .flow_control = serial_flow_control::software});
    const termios set = d.settings();
    CHECK(::cfgetospeed(&set) == B9600);
    CHECK((set.c_lflag & (ECHO | ICANON | ISIG)) == 0);
    CHECK((set.c_iflag & (IXON | IXOFF)) == (IXON | IXOFF));
    CHECK((set.c_oflag & OPOST) == 0);
    const auto changed = port->configure({.baud = 300});
    CHECK(changed);
    const termios slow = d.settings();
    CHECK(::cfgetospeed(&slow) == B300);
    CHECK((slow.c_iflag & (IXON | IXOFF)) == 0);
    std::optional<world> other;
    switch (how) {
    case 0:
        port.reset();
        break;
    case 1:
        port->abort();
        break;
    case 2: {
        auto closing = w.start(port->close());
        w.settle();
        CHECK(closing.get());
        break;
    }
    default: { // the context goes first
        std::optional<serial_stream> late;
        {
            world short_lived;
            port.reset();
            late = open(short_lived, d, {.baud = 300});
        }
        CHECK_FALSE(late->is_open());
    }
    }
    const termios after = d.settings();
    CHECK(after.c_lflag == before.c_lflag);
    CHECK(after.c_iflag == before.c_iflag);
    CHECK(after.c_oflag == before.c_oflag);
    CHECK(::cfgetospeed(&after) == ::cfgetospeed(&before));
    w.run();
}

TEST_CASE("what cannot be opened says which path and what is wrong with it") {
    world w;
    const error none = open_error(w, "/dev/no-such-port");
    CHECK(none == sys::no_such_file_or_directory);
    CHECK(none.detail() == "/dev/no-such-port");
    const error no_tty = open_error(w, "/dev/null");
    CHECK(no_tty == sys::inappropriate_io_control_operation);
    CHECK(no_tty.detail() == "/dev/null is not a serial port");
    CHECK(open_error(w, "/tmp") == sys::is_a_directory);
    CHECK(open_error(w, std::string_view("/dev/tty\0x", 10)) == sys::no_such_file_or_directory);
    device d;
    (void)open(w, d); // what the context itself opens with its first stream is open
    const std::size_t descriptors = open_descriptors();
    const error baud = open_error(w, d.path(), {.baud = 12345});
    CHECK(baud == errc::invalid_option);
    CHECK(baud.detail().starts_with(d.path() + ": baud 12345 is not one of 50, 75, 110,"));
    CHECK(baud.detail().ends_with("3500000, 4000000"));
    CHECK(open_error(w, d.path(), {.data_bits = 9}).detail() ==
          d.path() + ": data_bits 9 is not one of 5, 6, 7, 8");
    CHECK(open_error(w, d.path(), {.stop_bits = 0}).detail() ==
          d.path() + ": stop_bits 0 is not one of 1, 2");
    CHECK(open_descriptors() == descriptors);
    serial_stream port = open(w, d); // a failed attempt leaves nothing behind
    CHECK(error_of(port.configure({.baud = 1})) == errc::invalid_option);
    CHECK(port.try_write_some(asio::buffer("ok", 2)).value() == 2);
}

TEST_CASE("a port without permission is refused by the system's own code") {
    world w;
    device d;
    if (::chmod(d.path().c_str(), 0) != 0) {
        PORTUNUS_SKIP("the permissions of a pseudo-terminal cannot be changed here");
    }
    const bool privileged = ::geteuid() == 0; // for whom permissions mean nothing
    if (privileged) REQUIRE(::seteuid(65534) == 0);
    const error denied = open_error(w, d.path());
    if (privileged) REQUIRE(::seteuid(0) == 0);
    CHECK(denied == sys::permission_denied);
    CHECK(denied == portunus::condition::denied);
    CHECK(denied.detail() == d.path());
}

TEST_CASE("an exclusive port is busy for a second one, until it is closed") {
    world w;
    device d;
    std::optional<serial_stream> port = open(w, d);
    const error busy = open_error(w, d.path());
    CHECK(busy == sys::device_or_resource_busy);
    CHECK(busy.detail() == d.path() + " is in use by another program");
    port.reset();
    port = open(w, d, {.exclusive = false});
    const serial_stream shared = open(w, d, {.exclusive = false});
    CHECK(shared.is_open());
}

TEST_CASE("bits and parity mean nothing on a pseudo-terminal and are taken") {
    world w;
    device d;
    serial_stream port =
        open(w, d, {.baud = 300, .data_bits = 7, .parity = serial_parity::even, .stop_bits = 2});
    CHECK(port.try_write_some(asio::buffer("\xFF", 1)).value() == 1);
    CHECK(received(w, d, 1) == "\xFF");
}

TEST_CASE("a pseudo-terminal has neither modem lines nor a break, and says so") {
    world w;
    device d;
    serial_stream port = open(w, d);
    const auto lines = port.lines();
    CHECK(error_of(lines) == sys::operation_not_supported);
    CHECK(lines.error().detail() == d.path() + " is a pseudo-terminal and has no modem lines");
    CHECK(error_of(port.set_dtr(true)) == sys::operation_not_supported);
    CHECK(error_of(port.set_rts(false)) == sys::operation_not_supported);
    CHECK(error_of(port.set_break(true)) == sys::operation_not_supported);
    auto sent = w.start(port.send_break());
    w.settle();
    CHECK(error_of(sent.get()).detail() == d.path() + " is a pseudo-terminal and has no break");
    serial_stream none;
    CHECK(error_of(none.lines()) == errc::not_connected);
    CHECK(error_of(none.set_break(true)) == errc::not_connected);
    CHECK(error_of(none.configure({})) == errc::not_connected);
}

TEST_CASE("discard_input drops what has arrived") {
    world w;
    device d;
    serial_stream port = open(w, d);
    d.send("noise");
    auto ready = w.start(port.wait_readable());
    w.until([&] { return ready.done(); });
    CHECK(port.discard_input());
    char byte;
    CHECK(error_of(port.try_read_some(asio::buffer(&byte, 1))) == errc::would_block);
}

// using it
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("lines are framed on a serial port as on a connection") {
    world w;
    device d;
    framed_stream lines(open(w, d), line_codec(line_mode::lf));
    std::vector<std::string> got;
    auto session = w.start([](auto& frames, std::vector<std::string>& all) -> awaitable<error> {
        for (;;) {
            auto line = co_await frames.read();
            if (!line) co_return line.error();
            all.emplace_back(*line);
            const std::string answer = "got " + all.back();
            auto sent = co_await frames.write(answer);
            if (!sent) co_return sent.error();
        }
    }(lines, got));
    d.send("temp");
    w.settle();
    d.send("erature?\nsecond\nthi");
    CHECK(received(w, d, 27) == "got temperature?\ngot second\n");
    w.pass(5s); // longer than the buffers are kept
    d.send("rd\n");
    CHECK(received(w, d, 10) == "got third\n");
    CHECK(got == std::vector<std::string>{"temperature?", "second", "third"});
    d.close();
    w.until([&] { return session.done(); });
    CHECK(session.get() == errc::end_of_stream);
}

TEST_CASE("the other side hanging up is the end of the stream, behind what it sent, for good") {
    world w;
    device d;
    serial_stream port = open(w, d);
    auto reading = w.start(read(port));
    w.settle();
    d.send("last");
    w.until([&] { return reading.done(); });
    CHECK(reading.get().value() == "last");
    reading = w.start(read(port));
    w.settle();
    CHECK_FALSE(reading.done());
    d.close();
    w.until([&] { return reading.done(); });
    CHECK(error_of(reading.get()) == errc::end_of_stream);
    char byte;
    CHECK(error_of(port.try_read_some(asio::buffer(&byte, 1))) == errc::end_of_stream);
    auto ready = w.start(port.wait_readable());
    w.settle();
    CHECK(ready.get());
    CHECK_FALSE(port.try_write_some(asio::buffer(&byte, 1)));
    auto closing = w.start(port.close());
    w.run();
    CHECK(closing.get());
    CHECK(port.reason() != close_reason::none);
}

TEST_CASE("the device sees the port being closed, after everything that was written") {
    world w;
    device d;
    serial_stream port = open(w, d);
    auto writing = w.start(port.write("goodbye"));
    w.settle();
    CHECK(writing.get());
    auto closing = w.start(port.close());
    w.run();
    CHECK(closing.get());
    CHECK(port.reason() == close_reason::closed_locally);
    CHECK(d.read_available() == "goodbye");
    CHECK(d.hung_up());
}

TEST_CASE("a serial port has no idle limit unless told, and then it holds") {
    world w;
    device quiet, watched;
    serial_stream patient = open(w, quiet), strict = open(w, watched, {.idle_limit = 10s});
    auto one = w.start(read(patient)), other = w.start(read(strict));
    w.pass(9s);
    watched.send("x");
    w.until([&] { return other.done(); });
    CHECK(other.get().value() == "x");
    other = w.start(read(strict));
    w.pass(9s);
    CHECK_FALSE(other.done());
    w.pass(1s);
    w.until([&] { return other.done(); });
    CHECK(error_of(other.get()) == errc::idle_timeout);
    CHECK(strict.reason() == close_reason::idle);
    w.pass(100h);
    CHECK_FALSE(one.done());
}

TEST_CASE("a line that takes nothing for the write limit ends the stream, for the reader too") {
    world w;
    device d;
    serial_stream port = open(w, d, {.write_limit = 5s});
    CHECK(fill(port) > 0);
    auto writing = w.start(port.write("more"));
    auto reading = w.start(read(port));
    w.pass(4999ms);
    CHECK_FALSE(writing.done());
    w.pass(1ms);
    w.until([&] { return writing.done() && reading.done(); });
    CHECK(error_of(writing.get()) == errc::write_timeout);
    CHECK(error_of(reading.get()) == errc::write_timeout);
    CHECK(port.reason() == close_reason::timed_out);
}

TEST_CASE("a relay joins a serial port and a connection, with the end of each passed on") {
    world w;
    device d;
    connection c = connect_pair(w.context);
    auto carried = w.start(relay(open(w, d), std::move(c.stream)));
    c.peer.send("to the device");
    CHECK(received(w, d, 13) == "to the device");
    const std::string answer = pattern(3000);
    d.send(answer);
    std::string got;
    w.until([&] {
        got += c.peer.read_available();
        return got.size() >= answer.size();
    });
    CHECK((got == answer));
    d.close();
    w.until([&] { return c.peer.peek() == ending::eof; });
    c.peer.close();
    w.until([&] { return carried.done(); });
    const auto totals = carried.get();
    CHECK(totals.value().forth == 3000);
    CHECK(totals.value().back == 13);
    w.run();
}

TEST_CASE("a serial port can be destroyed at every point of reading, writing and closing") {
    struct scene {
        std::optional<serial_stream> port;
        device d;
        awaitable<void> operator()() {
            if (!port) co_return;
            auto got = co_await read(*port);
            if (!got || !port) co_return;
            auto sent = co_await port->write("answer");
            if (!sent || !port) co_return;
            (void)co_await port->close(1s);
        }
        void drop() { port.reset(); }
    };
    const std::size_t handlers = destroy_at_every_point([](asio::io_context& context) {
        scene s;
        s.port = must(serial_stream::open(context.get_executor(), s.d.path()));
        s.d.send("question");
        return s;
    });
    CHECK(handlers > 1);
}
