// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_PROXY_GATE_IPP
#define PORTUNUS_NET_DETAIL_IMPL_PROXY_GATE_IPP

#include <portunus/net/detail/proxy_gate.hpp>

#include <portunus/core/detail/config.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace portunus::detail {

/// A connection whose header has not come whole. Kept by the gate, and by the wait for its bytes.
struct proxy_gate::entry {
    using socket_type = boost::asio::ip::tcp::socket;

    entry(proxy_gate& g, const peer_info& p)
        : gate(&g), peer(p), socket(g.executor_),
          limit(deadline_service::of(g.executor_), this, [](void* self) {
              auto& e = *static_cast<entry*>(self);
              e.gate->fail(e, error(errc::handshake_timeout, "no whole PROXY header in time"));
          }) {}

    /// With RST: nothing that was said so far can be answered.
    void reset() noexcept {
        gate = nullptr;
        limit.disarm();
        boost::system::error_code ignored;
        socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
        socket.close(ignored);
    }

    proxy_gate* gate; // null once it has left
    peer_info peer;   // the proxy
    socket_type socket;
    deadline limit;
    std::string bytes{};
};

PORTUNUS_DECL proxy_gate::announced::~announced() {
    if (fd >= 0) ::close(fd);
}

PORTUNUS_DECL void proxy_gate::enter(int fd, const peer_info& peer) {
    announced mine(fd, peer); // closes it where something throws
    auto e = std::make_shared<entry>(*this, peer);
    waiting_.reserve(waiting_.size() + 1);
    boost::system::error_code ec;
    e->socket.assign(peer.local.protocol(), fd, ec);
    if (ec) return failed_(peer, error(ec, "the accepted socket could not be watched"));
    mine.fd = -1;
    waiting_.push_back(e);
    e->limit.arm(limit_);
    read(*e); // mostly the header came with the connection
}

PORTUNUS_DECL std::optional<proxy_gate::announced> proxy_gate::next() {
    if (ready_.empty()) return std::nullopt;
    std::optional<announced> first(std::move(ready_.front()));
    ready_.pop_front();
    return first;
}

PORTUNUS_DECL void proxy_gate::clear() noexcept {
    for (const auto& e : waiting_) e->reset();
    waiting_.clear();
    const struct linger at_once = {1, 0};
    for (const announced& a : ready_) ::setsockopt(a.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ready_.clear();
}

PORTUNUS_DECL void proxy_gate::watch(const std::shared_ptr<entry>& e) {
    e->socket.async_wait(entry::socket_type::wait_read, [e](const boost::system::error_code& ec) {
        if (!e->gate || ec) return;
        try {
            e->gate->read(*e);
        } catch (...) { // no memory: this connection, and not the door
            if (e->gate)
                e->gate->fail(
                    *e, error(boost::system::errc::make_error_code(boost::system::errc::not_enough_memory)));
        }
    });
}

PORTUNUS_DECL std::shared_ptr<proxy_gate::entry> proxy_gate::take(const entry& e) {
    const auto found =
        std::find_if(waiting_.begin(), waiting_.end(), [&e](const auto& w) { return w.get() == &e; });
    auto mine = std::move(*found);
    waiting_.erase(found);
    return mine;
}

PORTUNUS_DECL void proxy_gate::fail(entry& e, const error& why) {
    const auto mine = take(e);
    mine->reset();
    failed_(mine->peer, why);
    changed_();
}

/// Looks at what has come, and takes out of the kernel what belongs to the header: the rest is the session's.
PORTUNUS_DECL void proxy_gate::read(entry& e) {
    const int fd = e.socket.native_handle();
    for (;;) {
        std::array<char, 1024> piece;
        const ssize_t n = ::recv(fd, piece.data(), piece.size(), MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            const auto self =
                std::find_if(waiting_.begin(), waiting_.end(), [&e](const auto& w) { return w.get() == &e; });
            return watch(*self);
        }
        if (n <= 0) {
            const int number = n == 0 ? 0 : errno;
            if (e.bytes.empty() && (number == 0 || number == ECONNRESET)) return fail(e, errc::end_of_stream);
            if (number == 0)
                return fail(e, error(errc::partial_frame, "the connection ended within its PROXY header"));
            return fail(e, error(boost::system::error_code(number, boost::system::system_category())));
        }
        const std::size_t before = e.bytes.size();
        e.bytes.append(piece.data(), static_cast<std::size_t>(n));
        auto parsed = parse_proxy_header(e.bytes, max_header_);
        if (parsed && *parsed && (*parsed)->family == proxy_family::datagram)
            parsed = error(errc::malformed_frame, "PROXY header: a datagram's, on a stream");
        if (!parsed) return fail(e, parsed.error());
        const std::size_t mine = *parsed ? (*parsed)->size - before : static_cast<std::size_t>(n);
        if (::recv(fd, piece.data(), mine, MSG_DONTWAIT) != static_cast<ssize_t>(mine))
            return fail(e, error(boost::system::error_code(EIO, boost::system::system_category())));
        if (!*parsed) continue;
        peer_info peer = e.peer;
        if ((*parsed)->family == proxy_family::stream) {
            peer.proxy = peer.remote;
            peer.remote = (*parsed)->source;
        }
        const auto left = take(e);
        left->gate = nullptr;
        left->limit.disarm();
        boost::system::error_code ec;
        const int released = left->socket.release(ec);
        if (ec) return failed_(left->peer, error(ec));
        announced complete(released, peer);
        ready_.push_back(std::move(complete));
        return changed_();
    }
}

} // namespace portunus::detail

#endif
