// SPDX-License-Identifier: BSL-1.0
#include "roster.hpp"

#include <portunus/net/neighbours.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/status.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>
#include <vector>

namespace hub {

using namespace portunus;

roster::place::place(roster& everybody, const tcp_stream& stream) : everybody_(everybody) {
    const std::lock_guard lock(everybody_.mutex_);
    id_ = ++everybody_.last_;
    everybody_.streams_.emplace(id_, &stream);
}

roster::place::~place() {
    const std::lock_guard lock(everybody_.mutex_);
    everybody_.streams_.erase(id_);
}

awaitable<std::string> roster::describe() {
    std::vector<std::pair<std::uint64_t, boost::asio::any_io_executor>> ask;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, stream] : streams_) ask.emplace_back(id, stream->get_executor());
    }
    std::string all;
    for (const auto& [id, executor] : ask) {
        const std::string one =
            co_await boost::asio::co_spawn(executor, describe_one(id), boost::asio::use_awaitable);
        if (!one.empty()) all.append(all.empty() ? "" : "; ").append(one);
    }
    co_return all;
}

/// On the connection's own thread. Empty when it has gone meanwhile.
awaitable<std::string> roster::describe_one(std::uint64_t id) {
    const tcp_stream* stream = nullptr;
    {
        const std::lock_guard lock(mutex_);
        const auto found = streams_.find(id);
        if (found != streams_.end()) stream = found->second;
    }
    if (!stream) co_return std::string(); // its session ends on this thread, so it stays until we have done
    const auto remote = stream->remote_endpoint();
    std::string text = to_string(remote);
    const auto mac = mac_of(remote.address());
    text.append(" mac ").append(mac && *mac ? to_string(**mac) : "unknown");
    const auto now = status(*stream);
    if (now) text.append(" ").append(to_string(*now));
    co_return text;
}

} // namespace hub
