// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/service_notify.hpp>

#include "support/catch.hpp"
#include "unit/net/server_support.hpp"

#include <atomic>
#include <cstdlib>
#include <future>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/un.h>

using namespace portunus_tests;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using portunus::errc;
using portunus::notify_environment;
using portunus::runtime;
using portunus::service_notifier;
using portunus::detail::notifier_state;
using portunus::detail::notify_variables;

namespace {

constexpr long own = 4711;

/// A service manager: a datagram socket of the system, by path or abstract.
class manager {
  public:
    explicit manager(bool abstract = true) {
        static std::atomic<int> number{0};
        const std::string base =
            "portunus-notify-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
        address = abstract ? "@" + base : "/tmp/" + base;
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        address.copy(un.sun_path, sizeof un.sun_path - 1);
        if (abstract) un.sun_path[0] = '\0';
        const auto size =
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + !abstract);
        fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const timeval patience{20, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (::bind(fd_, reinterpret_cast<const sockaddr*>(&un), size) != 0) throw std::runtime_error("bind");
    }
    manager(const manager&) = delete;
    manager& operator=(const manager&) = delete;
    ~manager() { close(); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
        if (address.front() == '/') ::unlink(address.c_str());
    }

    /// The next message; empty where none comes.
    std::string next(int flags = 0) const {
        char text[8192];
        const auto n = ::recv(fd_, text, sizeof text, flags);
        return n < 0 ? std::string() : std::string(text, static_cast<std::size_t>(n));
    }
    bool has_none() const { return next(MSG_DONTWAIT).empty(); }

    std::string address;

  private:
    int fd_ = -1;
};

} // namespace

TEST_CASE("the service manager is told by path and by abstract name") {
    const manager m(GENERATE(true, false));
    const auto n = service_notifier::to(m.address).value();
    CHECK(n);
    CHECK(n.ready().has_value());
    CHECK(m.next() == "READY=1");
    CHECK(n.ready("serving 3 doors").has_value());
    CHECK(m.next() == "READY=1\nSTATUS=serving 3 doors");
    CHECK(n.status("half way").has_value());
    CHECK(m.next() == "STATUS=half way");
    CHECK(n.stopping().has_value());
    CHECK(m.next() == "STOPPING=1");
    CHECK(n.alive().has_value());
    CHECK(m.next() == "WATCHDOG=1");
    CHECK(n.reloading().has_value());
    CHECK_THAT(m.next(), StartsWith("RELOADING=1\nMONOTONIC_USEC="));
    CHECK(n.send("MAINPID=4711\nX=1").has_value());
    CHECK(m.next() == "MAINPID=4711\nX=1");
    CHECK_FALSE(n.watchdog());
}

TEST_CASE("without a service manager everything does nothing and succeeds") {
    const auto made = notifier_state::make({}, own);
    REQUIRE(made.has_value());
    const service_notifier n = *made;
    CHECK_FALSE(n);
    CHECK_FALSE(n.watchdog());
    CHECK(n.ready("x").has_value());
    CHECK(n.reloading().has_value());
    CHECK(n.stopping().has_value());
    CHECK(n.alive().has_value());
    CHECK(n.send(std::string(5000, 'x')).has_value());
    runtime rt(1, portunus::logger::silent());
    n.follow(rt);
    CHECK(rt.run() == 0);
    CHECK_FALSE(notifier_state::make({"", "nonsense", nullptr}, own).value());
}

TEST_CASE("what the environment says wrongly is an error that quotes it") {
    struct row {
        notify_variables v;
        const char* part;
    };
    const std::string long_path = "/" + std::string(107, 'x'), long_name = "@" + std::string(108, 'x');
    const std::vector<row> rows{
        {{"relative/path", nullptr, nullptr}, "relative/path"},
        {{"vsock:2:1234", nullptr, nullptr}, "vsock:2:1234"},
        {{"@", nullptr, nullptr}, "neither"},
        {{long_path.c_str(), nullptr, nullptr}, "longer"},
        {{long_name.c_str(), nullptr, nullptr}, "longer"},
        {{"@x", "0", nullptr}, "WATCHDOG_USEC"},
        {{"@x", "-5", nullptr}, "-5"},
        {{"@x", "30s", nullptr}, "30s"},
        {{"@x", "99999999999999999", nullptr}, "a year"},
        {{"@x", "1000000", "me"}, "WATCHDOG_PID"},
    };
    for (const row& r : rows) {
        const auto made = notifier_state::make(r.v, own);
        REQUIRE(made.has_error());
        CHECK(made.error() == errc::invalid_option);
        CHECK_THAT(made.error().message(), Contains(r.part));
    }
    const std::string longest = "/" + std::string(106, 'x'), longest_name = "@" + std::string(107, 'x');
    CHECK(service_notifier::to(longest).has_value());
    CHECK(service_notifier::to(longest_name).has_value());
}

TEST_CASE("a watchdog is the process's own or none") {
    CHECK(notifier_state::make({"@x", "30000000", nullptr}, own).value().watchdog() == 30s);
    CHECK(notifier_state::make({"@x", "30000000", "4711"}, own).value().watchdog() == 30s);
    CHECK_FALSE(notifier_state::make({"@x", "30000000", "4712"}, own).value().watchdog());
}

TEST_CASE("the variables are taken out of the environment where that is asked for") {
    const manager m;
    ::setenv("NOTIFY_SOCKET", m.address.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "2000000", 1);
    const auto kept = service_notifier::from_environment();
    REQUIRE(kept.has_value());
    CHECK(std::getenv("NOTIFY_SOCKET") != nullptr);
    const auto n = service_notifier::from_environment(notify_environment::unset);
    REQUIRE(n.has_value());
    CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
    CHECK(std::getenv("WATCHDOG_USEC") == nullptr);
    CHECK(n->watchdog() == 2s);
    CHECK(n->ready().has_value());
    CHECK(m.next() == "READY=1");
}

TEST_CASE("a manager that is gone, or does not listen, is an error and no wait") {
    manager m(false);
    const auto n = service_notifier::to(m.address).value();
    std::size_t taken = 0;
    portunus::result<void> last;
    while ((last = n.alive()).has_value() && taken < 100'000) ++taken;
    CHECK(last.error() == errc::would_block);
    m.close();
    CHECK(n.alive().error() == boost::system::errc::no_such_file_or_directory);
    CHECK_THAT(n.alive().error().message(), Contains(m.address));
    CHECK(n.status("two\nlines").error() == errc::invalid_option);
    CHECK(n.ready("two\nlines").error() == errc::invalid_option);
    CHECK(n.send(std::string(4097, 'x')).error() == errc::frame_too_large);
}

TEST_CASE("a runtime that is followed shows life twice in the interval, and says when it stops") {
    const manager m;
    runtime rt(1, portunus::logger::silent());
    portunus::deadline_service::of(rt.context()).use_manual_time();
    service_notifier::to(m.address, 10s).value().follow(rt);
    running r(rt);
    auto& time = portunus::deadline_service::of(rt.context());
    CHECK(m.next() == "WATCHDOG=1"); // at once
    for (int i = 0; i < 3; ++i) {
        r.on_context([&] { time.advance(4900ms); });
        r.on_context([] {});
        CHECK(m.has_none());
        r.on_context([&] { time.advance(200ms); });
        CHECK(m.next() == "WATCHDOG=1");
    }
    CHECK(r.stop() == 0);
    CHECK(m.next(MSG_DONTWAIT) == "STOPPING=1");
    CHECK(m.has_none());
}

TEST_CASE("a context that is stuck stops the signs of life until it goes on") {
    const manager m;
    const log_book log;
    runtime rt(2, log.logger());
    portunus::deadline_service::of(rt.context()).use_manual_time();
    service_notifier::to(m.address, 10s).value().follow(rt);
    running r(rt);
    auto& time = portunus::deadline_service::of(rt.context());
    const auto half = [&] {
        r.on_context([] {}, 1);
        r.on_context([&] { time.advance(5s); });
        r.on_context([] {}); // the coroutine has woken up
        r.on_context([] {});
    };
    CHECK(m.next() == "WATCHDOG=1");
    half();
    CHECK(m.next() == "WATCHDOG=1");
    r.on_context([] {}, 1);
    std::promise<void> go_on;
    std::promise<void> is_stuck;
    asio::post(rt.context(1), [&] {
        is_stuck.set_value();
        go_on.get_future().wait();
    });
    is_stuck.get_future().wait();
    for (int i = 0; i < 4; ++i) { // the first may still be answered from before
        r.on_context([&] { time.advance(5s); });
        r.on_context([] {});
        r.on_context([] {});
        if (i == 0) (void)m.next(MSG_DONTWAIT);
    }
    CHECK(m.has_none());
    CHECK(log.count("a context is stuck") == 1);
    go_on.set_value();
    half();
    CHECK(m.next() == "WATCHDOG=1");
    CHECK(r.stop() == 0);
}

TEST_CASE("a manager that went away is logged once, and the program goes on") {
    manager m;
    const log_book log;
    runtime rt(1, log.logger());
    portunus::deadline_service::of(rt.context()).use_manual_time();
    service_notifier::to(m.address, 2s).value().follow(rt);
    m.close();
    running r(rt);
    auto& time = portunus::deadline_service::of(rt.context());
    for (int i = 0; i < 3; ++i) {
        r.on_context([&] { time.advance(1s); });
        r.on_context([] {});
    }
    CHECK(r.stop() == 0);
    CHECK(log.count("the service manager could not be told") == 1);
}
