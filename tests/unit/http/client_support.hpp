// SPDX-License-Identifier: BSL-1.0
// What the tests of the HTTP client share: servers that are scripts, at the far ends of connections in
// memory.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_CLIENT_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_CLIENT_SUPPORT_HPP

#include "support/catch.hpp"
#include "support/world.hpp"

#include <portunus/http/client.hpp>
#include <portunus/testing/fuse.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/scripted_peer.hpp>
#include <portunus/testing/start.hpp>

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus_tests {

namespace http = portunus::http;

/// Connections in memory: the far end of the n-th one follows the n-th script. Lives longer than the context.
class wire {
  public:
    portunus::testing::scripted_peer& next() { return scripts_.emplace_back(); }

    http::client_options options() {
        http::client_options o;
        o.user_agent.clear();
        o.dial = dial();
        return o;
    }
    http::dialer dial() {
        return [this](const http::dial_target& to) {
            targets.push_back((to.secure ? "https://" : "http://") + to.host + ":" + std::to_string(to.port));
            return connect(this);
        };
    }

    /// The first difference to a script; "" when all have been followed to their end.
    std::string difference() {
        if (made_ != scripts_.size())
            return std::to_string(made_) + " connections of " + std::to_string(scripts_.size()) +
                   " were made";
        for (std::size_t i = 0; i != played_.size(); ++i) {
            if (!played_[i].done()) return "script " + std::to_string(i + 1) + " has not ended";
            const std::string text = played_[i].get();
            if (!text.empty()) return "script " + std::to_string(i + 1) + ", " + text;
        }
        return {};
    }

    std::vector<std::string> targets;
    portunus::testing::fuse near_fuse;

  private:
    static awaitable<portunus::result<portunus::any_stream>> connect(wire* w) {
        if (w->made_ == w->scripts_.size())
            co_return portunus::error(portunus::errc::not_connected, "no script is left");
        const auto executor = co_await asio::this_coro::executor;
        auto pair = portunus::testing::make_memory_stream_pair(executor);
        pair.first.attach(w->near_fuse);
        auto& far = w->far_.emplace_back(std::move(pair.second));
        auto playing = w->scripts_[w->made_++].play(far);
        w->played_.push_back(portunus::testing::start(executor, std::move(playing)));
        portunus::any_stream near(std::move(pair.first));
        co_return near;
    }

    std::deque<portunus::testing::scripted_peer> scripts_;
    std::deque<portunus::testing::memory_stream> far_;
    std::vector<portunus::testing::started<std::string>> played_;
    std::size_t made_ = 0;
};

inline std::string asked(std::string_view method_and_target, std::string_view more = "") {
    return std::string(method_and_target) + " HTTP/1.1\r\nHost: device\r\n" + std::string(more) + "\r\n";
}
inline std::string told(std::string_view body, std::string_view status = "200 OK",
                        std::string_view more = "") {
    return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(more) + "\r\n" + std::string(body);
}

} // namespace portunus_tests

#endif
