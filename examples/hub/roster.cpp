// SPDX-License-Identifier: BSL-1.0
#include "roster.hpp"

#include <portunus/net/neighbours.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/status.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace hub {

using namespace portunus;

roster::place::place(roster& everybody, std::string_view port, tcp_stream& stream,
                     std::function<result<void>(std::string_view)> say)
    : everybody_(everybody), port_(port), remote_(to_string(stream.remote_endpoint())), stream_(stream),
      say_(std::move(say)) {
    const std::lock_guard lock(everybody_.mutex_);
    id_ = ++everybody_.last_;
    everybody_.places_.emplace(id_, this);
}

roster::place::~place() {
    const std::lock_guard lock(everybody_.mutex_);
    everybody_.places_.erase(id_);
}

std::vector<std::uint64_t> roster::ids(std::size_t most) const {
    std::vector<std::uint64_t> some;
    const std::lock_guard lock(mutex_);
    for (const auto& [id, each] : places_) {
        if (some.size() == most) break;
        some.push_back(id);
    }
    return some;
}

std::size_t roster::size() const {
    const std::lock_guard lock(mutex_);
    return places_.size();
}

awaitable<bool> roster::ask_here(roster& all, std::uint64_t id, question what) {
    place* found = nullptr;
    {
        const std::lock_guard lock(all.mutex_);
        const auto at = all.places_.find(id);
        if (at != all.places_.end()) found = at->second;
    }
    if (!found) co_return false;
    what(*found); // its session ends on this thread, so it stays until we have done
    co_return true;
}

awaitable<bool> roster::ask(std::uint64_t id, question what) {
    boost::asio::any_io_executor where;
    {
        const std::lock_guard lock(mutex_);
        const auto at = places_.find(id);
        if (at != places_.end()) where = at->second->stream_.get_executor();
    }
    if (!where) co_return false;
    auto there = ask_here(*this, id, std::move(what));
    const bool asked = co_await boost::asio::co_spawn(where, std::move(there), boost::asio::use_awaitable);
    co_return asked;
}

awaitable<std::string> roster::describe() {
    std::string all;
    for (const std::uint64_t id : ids(std::size_t(-1))) {
        question about = [&all](place& one) {
            all.append(all.empty() ? "" : "; ").append(one.remote_);
            const auto mac = mac_of(one.stream_.remote_endpoint().address());
            all.append(" mac ").append(mac && *mac ? to_string(**mac) : "unknown");
            const auto now = status(one.stream_);
            if (now) all.append(" ").append(to_string(*now));
        };
        const bool asked = co_await ask(id, std::move(about));
        (void)asked; // it has gone meanwhile
    }
    co_return all;
}

awaitable<std::vector<visitor>> roster::list(std::size_t most) {
    std::vector<visitor> all;
    for (const std::uint64_t id : ids(most)) {
        question about = [&all](place& one) {
            visitor v;
            v.id = one.id_;
            v.port = one.port_;
            v.remote = one.remote_;
            const auto lasted = std::chrono::steady_clock::now() - one.since_;
            v.seconds =
                static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(lasted).count());
            v.messages = one.messages_;
            v.bytes_in = one.stream_.bytes_received();
            v.bytes_out = one.stream_.bytes_sent();
            all.push_back(std::move(v));
        };
        const bool asked = co_await ask(id, std::move(about));
        (void)asked;
    }
    co_return all;
}

awaitable<bool> roster::close(std::uint64_t id) {
    question order = [](place& one) { one.stream_.request_stop(); };
    const bool asked = co_await ask(id, std::move(order));
    co_return asked;
}

awaitable<result<void>> roster::send(std::uint64_t id, std::string text) {
    result<void> said;
    question order = [&said, &text](place& one) { said = one.say_(text); };
    const bool asked = co_await ask(id, std::move(order));
    if (!asked) co_return error(errc::not_connected, "there is no connection " + std::to_string(id));
    co_return said;
}

} // namespace hub
