// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/runtime.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/world.hpp"

#include <portunus/core/event_queue.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using portunus::awaitable;
using portunus::deadline_service;
using portunus::errc;
using portunus::error;
using portunus::event_queue;
using portunus::failure;
using portunus::log_level;
using portunus::runtime;
using portunus::runtime_service;
using portunus::steady_clock;
using portunus_tests::child_process;
using portunus_tests::log_book;
using portunus_tests::tell_parent;

namespace {

/// Waits until it is cancelled, and says that it was.
awaitable<void> wait_for_ever(bool& canceled) {
    event_queue<int> nothing(co_await asio::this_coro::executor, 1);
    auto event = co_await nothing.pop();
    canceled = !event && event.error() == errc::canceled;
}

awaitable<void> stop_from_inside(runtime& rt, steady_clock::duration grace) {
    co_await asio::post(asio::use_awaitable);
    rt.request_stop(grace);
}

/// A service that notes how it was stopped.
class noting_service : public runtime_service {
  public:
    explicit noting_service(bool clean) : clean_(clean) {}
    awaitable<bool> stop(steady_clock::duration given) override { return stopped(this, given); }
    int times = 0;
    steady_clock::duration grace{};
    std::thread::id thread{};

  private:
    static awaitable<bool> stopped(noting_service* self, steady_clock::duration given) {
        ++self->times;
        self->grace = given;
        self->thread = std::this_thread::get_id();
        co_await asio::post(asio::use_awaitable);
        co_return self->clean_;
    }
    bool clean_;
};

} // namespace

TEST_CASE("a runtime has the contexts that were asked for, and refuses numbers that make no sense") {
    CHECK(runtime().size() == 1);
    CHECK(runtime(4).size() == 4);
    CHECK(runtime(256).size() == 256);
    for (const unsigned wrong : {0U, 257U, 4000000000U}) {
        try {
            runtime rt(wrong);
            FAIL("no failure for " << wrong);
        } catch (const failure& f) {
            CHECK(f.reason() == errc::invalid_option);
            CHECK(f.reason().detail().find(std::to_string(wrong)) != std::string_view::npos);
        }
    }
}

TEST_CASE("run ends by itself with 0 when there is nothing left to run") {
    runtime rt(GENERATE(1U, 4U));
    CHECK(rt.run() == 0);
}

TEST_CASE("a task that is spawned before run runs in it, on the calling thread") {
    runtime rt(GENERATE(1U, 4U));
    std::thread::id on;
    CHECK(rt.spawn([](std::thread::id& id) -> awaitable<void> {
        id = std::this_thread::get_id();
        co_return;
    }(on)));
    CHECK(on == std::thread::id());
    CHECK(rt.run() == 0);
    CHECK(on == std::this_thread::get_id());
}

TEST_CASE("every context runs on one thread of its own") {
    runtime rt(4);
    std::vector<std::set<std::thread::id>> on(4);
    std::atomic<int> left{40};
    for (unsigned i = 0; i < 4; ++i)
        for (int k = 0; k < 10; ++k)
            asio::post(rt.context(i), [&, i] {
                on[i].insert(std::this_thread::get_id());
                if (--left == 0) rt.request_stop(1s);
            });
    auto guard = asio::make_work_guard(rt.context(0));
    CHECK(rt.run() == 0);
    std::set<std::thread::id> all;
    for (const auto& threads : on) {
        REQUIRE(threads.size() == 1);
        all.insert(*threads.begin());
    }
    CHECK(all.size() == 4);
    CHECK(*on[0].begin() == std::this_thread::get_id());
}

TEST_CASE("request_stop from inside a task ends the runtime with 0") {
    runtime rt(GENERATE(1U, 4U));
    rt.spawn(stop_from_inside(rt, 10s));
    auto guard = asio::make_work_guard(rt.context(0));
    CHECK(rt.run() == 0);
}

TEST_CASE("request_stop from another thread ends the runtime") {
    runtime rt(GENERATE(1U, 4U));
    bool canceled = false;
    rt.spawn(wait_for_ever(canceled));
    std::thread other([&rt] { rt.request_stop(0s); });
    CHECK(rt.run() == 1); // the task had to be cut off
    other.join();
    CHECK(canceled);
}

TEST_CASE("request_stop before run ends it as soon as it begins") {
    runtime rt;
    rt.request_stop(10s);
    auto guard = asio::make_work_guard(rt.context(0));
    CHECK(rt.run() == 0);
}

TEST_CASE("request_stop may be called any number of times, and the first grace counts") {
    runtime rt;
    auto& time = deadline_service::of(rt.context());
    time.use_manual_time();
    const auto service = std::make_shared<noting_service>(true);
    rt.attach(service);
    bool canceled = false;
    rt.spawn(wait_for_ever(canceled));
    for (int i = 0; i < 3; ++i) rt.request_stop(5s + i * 1s);
    rt.context().poll();
    time.advance(4s);
    rt.context().poll();
    CHECK_FALSE(canceled);
    time.advance(1s);
    CHECK(rt.run() == 1);
    CHECK(canceled);
    CHECK(service->times == 1);
    CHECK(service->grace == 5s);
}

TEST_CASE("tasks are asked first, and nothing is cut off where they end in time") {
    runtime rt;
    bool polite = false;
    rt.spawn([](std::stop_token token, bool& ended) -> awaitable<void> {
        portunus::detail::event asked(co_await asio::this_coro::executor);
        const std::stop_callback wake(token, [&asked] { asked.notify(); });
        while (!token.stop_requested()) co_await asked.wait_op();
        ended = true;
    }(rt.stop_token(), polite));
    rt.request_stop(10s);
    CHECK(rt.run() == 0);
    CHECK(polite);
}

TEST_CASE("nothing is spawned when the runtime is stopping") {
    runtime rt;
    bool spawned = true;
    rt.spawn([](runtime& r, bool& s) -> awaitable<void> {
        r.request_stop(10s);
        while (!r.stop_token().stop_requested()) co_await asio::post(asio::use_awaitable);
        auto body = []() -> awaitable<void> { co_return; };
        s = r.spawn(body());
    }(rt, spawned));
    CHECK(rt.run() == 0);
    CHECK_FALSE(spawned);
}

TEST_CASE("services are stopped once, on the first context, with the grace; one that had to cut off makes "
          "the value 1") {
    const bool clean = GENERATE(true, false);
    runtime rt(2);
    const auto good = std::make_shared<noting_service>(true);
    const auto other = std::make_shared<noting_service>(clean);
    rt.attach(good);
    rt.attach(other);
    rt.request_stop(7s);
    CHECK(rt.run() == (clean ? 0 : 1));
    CHECK(good->times == 1);
    CHECK(other->times == 1);
    CHECK(good->grace == 7s);
    CHECK(good->thread == std::this_thread::get_id());
}

TEST_CASE("a service that throws while it is stopped is logged, and the others are stopped all the same") {
    class throwing_service : public runtime_service {
        awaitable<bool> stop(steady_clock::duration) override {
            co_await asio::post(asio::use_awaitable);
            throw std::runtime_error("the lid does not close");
        }
    };
    const log_book book;
    runtime rt(1, book.logger());
    const auto good = std::make_shared<noting_service>(true);
    rt.attach(std::make_shared<throwing_service>());
    rt.attach(good);
    rt.request_stop(1s);
    rt.run();
    CHECK(good->times == 1);
    CHECK(book.count("the lid does not close") == 1);
}

TEST_CASE("an exception that leaves a task is logged, and the runtime goes on") {
    const log_book book;
    runtime rt(1, book.logger());
    rt.spawn([]() -> awaitable<void> {
        co_await asio::post(asio::use_awaitable);
        throw std::runtime_error("no sensor");
    }());
    rt.spawn(stop_from_inside(rt, 1s));
    CHECK(rt.run() == 0);
    CHECK(book.count("no sensor") == 1);
    CHECK(book.count(log_level::error) == 1);
}

TEST_CASE("the least loaded context is chosen, and given back") {
    runtime rt(3);
    std::multiset<unsigned> chosen;
    for (int i = 0; i < 9; ++i) chosen.insert(rt.load_least());
    for (unsigned i = 0; i < 3; ++i) {
        CHECK(chosen.count(i) == 3);
        CHECK(rt.load(i) == 3);
    }
    rt.unload(1);
    rt.unload(1);
    CHECK(rt.load_least() == 1);
    CHECK(rt.load_least() == 1);
    for (unsigned i = 0; i < 3; ++i) CHECK(rt.load(i) == 3);
}

TEST_CASE("a runtime may be destroyed unstarted, or in the middle of everything") {
    const int handlers = GENERATE(range(0, 40));
    bool canceled = false;
    runtime rt(2);
    rt.attach(std::make_shared<noting_service>(true));
    rt.spawn(wait_for_ever(canceled));
    rt.spawn(stop_from_inside(rt, 100ms));
    for (int i = 0; i < handlers; ++i) rt.context().poll_one();
}

// signals: in a process of its own, which is this program again, running one hidden test case
// ------------------------

namespace {

/// A program as its author would write it: tells when it is ready, runs until a signal, exits with the value.
[[noreturn]] void be_a_program(runtime& rt, steady_clock::duration grace) {
    asio::post(rt.context(), [] { tell_parent("ready"); });
    const int value = rt.run_until_signal(grace);
    tell_parent("value " + std::to_string(value));
    std::_Exit(value + 40); // so that it cannot be mistaken for Catch's
}

} // namespace

TEST_CASE("child: waits for a signal with nothing to do", "[.][child]") {
    runtime rt(2);
    be_a_program(rt, 10s);
}

TEST_CASE("child: has a task that does not end by itself", "[.][child]") {
    runtime rt;
    static bool canceled = false;
    rt.spawn(wait_for_ever(canceled));
    be_a_program(rt, 0s);
}

TEST_CASE("child: is asked to stop, not signalled", "[.][child]") {
    runtime rt;
    rt.spawn(stop_from_inside(rt, 10s));
    be_a_program(rt, 10s);
}

TEST_CASE("child: its loop is stuck", "[.][child]") {
    runtime rt;
    asio::post(rt.context(), [] {
        // The handler never returns, and neither of the library's own handlers can run any more.
        tell_parent("stuck");
        for (;;) ::pause(); // a signal handler ends the call, not the loop
    });
    be_a_program(rt, 10s);
}

TEST_CASE("child: a task never ends, whatever it is told", "[.][child]") {
    runtime rt;
    rt.spawn([]() -> awaitable<void> {
        for (;;) co_await asio::post(asio::use_awaitable);
    }());
    be_a_program(rt, 0s);
}

TEST_CASE("child: was started with the signal ignored", "[.][child]") {
    std::signal(SIGINT, SIG_IGN);
    runtime rt;
    be_a_program(rt, 10s);
}

TEST_CASE("child: has a handler of its own before and after", "[.][child]") {
    static std::atomic<int> seen{0};
    std::signal(SIGTERM, [](int) { seen = seen + 1; });
    {
        runtime rt;
        rt.spawn(stop_from_inside(rt, 1s));
        rt.run_until_signal(1s);
    }
    std::raise(SIGTERM);
    std::_Exit(seen == 1 ? 40 : 1);
}

TEST_CASE("SIGTERM and SIGINT end run_until_signal in good order, with 0") {
    const int number = GENERATE(SIGTERM, SIGINT);
    auto child = child_process::of_test("child: waits for a signal with nothing to do");
    child.line_after("ready");
    child.signal(number);
    CHECK(child.line_after("value ") == "0");
    const auto status = child.wait();
    CHECK(status.code == 40);
    CHECK(status.signal == 0);
}

TEST_CASE("the value is 1 when something had to be cut off") {
    auto child = child_process::of_test("child: has a task that does not end by itself");
    child.line_after("ready");
    child.signal(SIGTERM);
    CHECK(child.line_after("value ") == "1");
    CHECK(child.wait().code == 41);
}

TEST_CASE("request_stop ends run_until_signal too") {
    auto child = child_process::of_test("child: is asked to stop, not signalled");
    CHECK(child.line_after("value ") == "0");
    CHECK(child.wait().code == 40);
}

TEST_CASE("a second signal ends a program whose loop is stuck") {
    const int number = GENERATE(SIGTERM, SIGINT);
    auto child = child_process::of_test("child: its loop is stuck");
    child.line_after("stuck");
    child.signal(SIGTERM);
    CHECK(child.wait_until_default(SIGTERM)); // the first one has arrived
    child.signal(number);
    const auto status = child.wait();
    CHECK_FALSE(status.hung);
    CHECK(status.signal == number);
}

TEST_CASE("a second signal ends a program in which a task never ends") {
    auto child = child_process::of_test("child: a task never ends, whatever it is told");
    child.line_after("ready");
    child.signal(SIGTERM);
    CHECK(child.wait_until_default(SIGTERM));
    child.signal(SIGTERM);
    const auto status = child.wait();
    CHECK_FALSE(status.hung);
    CHECK(status.signal == SIGTERM);
}

TEST_CASE("a program that was started with SIGINT ignored goes on ignoring it") {
    auto child = child_process::of_test("child: was started with the signal ignored");
    child.line_after("ready");
    child.signal(SIGINT);
    child.signal(SIGTERM);
    CHECK(child.line_after("value ") == "0");
    CHECK(child.wait().code == 40);
}

TEST_CASE("run_until_signal leaves the program's own signal handlers as they were") {
    CHECK(child_process::of_test("child: has a handler of its own before and after").wait().code == 40);
}
