// SPDX-License-Identifier: BSL-1.0
// What the tests of servers share: a runtime that runs in a thread of its own, so that the test's own thread
// can be the peers, and sessions that answer lines.
#ifndef PORTUNUS_TESTS_UNIT_NET_SERVER_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_NET_SERVER_SUPPORT_HPP

#include "unit/net/net_support.hpp"

#include <portunus/core/runtime.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <boost/asio/post.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <future>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace portunus_tests {

/// Waits until `reached()`; bounded, and throws when it does not come.
template <class Condition>
void eventually(Condition reached) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!reached()) {
        if (std::chrono::steady_clock::now() > end)
            throw std::runtime_error("watchdog: what the test waits for did not come");
        std::this_thread::sleep_for(1ms); // gives the processor away; nothing depends on how long
    }
}

/// Runs a runtime in a thread of its own until `stop`, or until the end of the test.
class running {
  public:
    explicit running(portunus::runtime& rt)
        : rt_(rt), thread_([this] {
              value_ = rt_.run();
              over_ = true;
          }) {}
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() {
        if (thread_.joinable()) stop(0s);
    }

    /// Stops it and gives the value with which it ended.
    int stop(portunus::steady_clock::duration grace = 20s) {
        rt_.request_stop(grace);
        return wait();
    }
    int wait() {
        auto& time = portunus::deadline_service::of(rt_.context());
        while (time.manual() && !over_) { // what the library itself waits for at its end passes too
            asio::post(rt_.context(), [&time] { time.advance(1s); });
            std::this_thread::sleep_for(1ms);
        }
        thread_.join();
        return value_;
    }

    /// Runs `action` on a context's own thread and waits for it.
    template <class Action>
    void on_context(Action action, unsigned index = 0) {
        std::promise<void> done;
        asio::post(rt_.context(index), [&] {
            action();
            done.set_value();
        });
        done.get_future().wait();
    }

  private:
    portunus::runtime& rt_;
    int value_ = -1;
    std::atomic<bool> over_{false};
    std::thread thread_;
};

/// A door on a free port of loopback that lets everybody in.
inline portunus::listener_options any_door() {
    portunus::listener_options door;
    door.ports = 0;
    door.addresses = {loopback};
    door.policy = portunus::accept_policy::anyone();
    door.log = portunus::logger::silent();
    return door;
}

inline plain_socket connect_to(const portunus::tcp_server& server) {
    return plain_socket::connected_to(server.endpoints().front());
}

/// Answers every line with itself.
inline awaitable<void> echo_lines(portunus::tcp_stream stream) {
    portunus::framed_stream frames(std::move(stream), portunus::line_codec(portunus::line_mode::lf));
    for (;;) {
        auto batch = co_await frames.read_batch();
        if (!batch) co_return;
        for (const std::string_view line : *batch) {
            auto queued = frames.queue(line);
            if (!queued) co_return;
        }
        auto sent = co_await frames.flush();
        if (!sent) co_return;
    }
}

} // namespace portunus_tests

#endif
