// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_TCP_LISTENER_HPP
#define PORTUNUS_NET_IMPL_TCP_LISTENER_HPP

#include <portunus/net/tcp_listener.hpp>

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/net/detail/proxy_gate.hpp>

#include <functional>
#include <string>
#include <utility>

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace portunus {
namespace detail {

/// An accepted descriptor that no Asio object owns yet: which context it will belong to is decided later.
class accepted_socket {
  public:
    accepted_socket() noexcept = default;
    accepted_socket(int fd, const peer_info& p, admission_ticket t) noexcept
        : peer(p), ticket(std::move(t)), fd_(fd) {}
    accepted_socket(accepted_socket&& o) noexcept
        : peer(o.peer), ticket(std::move(o.ticket)), fd_(std::exchange(o.fd_, -1)) {}
    accepted_socket& operator=(accepted_socket&& o) noexcept {
        if (this == &o) return *this;
        if (fd_ >= 0) ::close(fd_);
        fd_ = std::exchange(o.fd_, -1);
        peer = o.peer;
        ticket = std::move(o.ticket);
        return *this;
    }
    ~accepted_socket() {
        if (fd_ >= 0) ::close(fd_);
    }

    /// The stream, on the context of `executor`.
    result<tcp_stream> attach(const boost::asio::any_io_executor& executor,
                              const tcp_stream_options& options);

    /// Closes it with RST.
    void reset_peer() noexcept;

    peer_info peer;
    admission_ticket ticket;

  private:
    int fd_ = -1;
};

/// Turns a peer away. The descriptor is closed.
PORTUNUS_DECL void refuse(int fd, refusal how) noexcept;

class tcp_listener_state final : private context_bound {
  public:
    using pointer = std::shared_ptr<tcp_listener_state>;
    using acceptor_type = boost::asio::ip::tcp::acceptor;
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    /// One listening socket.
    struct door {
        door(acceptor_type a, endpoint_type e, std::string i)
            : acceptor(std::move(a)), descriptor(acceptor.native_handle()), where(e),
              interface(std::move(i)) {}
        acceptor_type acceptor;
        int descriptor;
        endpoint_type where;
        std::string interface; // where it is bound to one
        bool ready = true;     // may have somebody in its queue
        bool waiting = false;
        bool inherited = false; // others have this socket, too
        std::uint32_t left = 0; // inherited, while stopping: how many of its queue are ours to accept
    };

    tcp_listener_state(const boost::asio::any_io_executor& e, listener_options o, metrics m);
    ~tcp_listener_state() { house.forget(waiting_for_room); }

    static pointer& of(tcp_listener& l) noexcept { return l.state_; }

    // opening

    result<void> open();

    static result<void> fit_to_inherit(const inherited_socket& socket);

    /// Takes the inherited sockets: all of them, or none. The last step of opening.
    result<void> inherit();

    /// How many connections the kernel holds in the queue of a listening socket (tcp_get_info).
    static std::uint32_t queued_at(int fd) noexcept;

    result<void> open_port(std::uint16_t port, const std::vector<std::string>& interfaces);

    /// Both families on one socket where the machine has IPv6, IPv4 alone where it has not.
    result<void> open_any(std::uint16_t& port, const std::string& interface);

    result<void> open_one(const endpoint_type& wanted, const std::string& interface, bool v6_only);

    /// Whether the kernel can refuse by itself: it sees the addresses of proxies only.
    bool filters() const noexcept {
        return options.policy.refuses_with() == refusal::drop && options.proxy.from.empty();
    }
    /// Tells the kernel whom it need not answer.
    void drop_silently(int fd) const;
    static void detach_filter(int fd) noexcept;

    void set_policy(accept_policy policy);

    // accepting

    enum class outcome { peer, nobody, skip, exhausted, fatal };

    bool full() const { return house.options().full == when_full::wait && house.full(); }
    /// Who may replace somebody has to be looked at though all places are taken.
    bool may_admit() const { return !paused && !exhausted && (takes_over || !full()); }

    /// The same for those who are still in the kernel's queue.
    bool may_accept() const { return may_admit() && !gate.full(); }

    /// Whether the kernel holds nobody for us.
    bool queue_is_empty() const noexcept;

    void pause() noexcept { paused = !stopping; }
    void resume();

    void wake();

    void retry();

    void back_off(int number);

    /// Everybody who waited is in. Not said for each of them: with one descriptor at a time becoming free it
    /// would be said, and taken back, all the time.
    void recovered();

    /// One attempt at one door. With `outcome::peer` there is a socket in `taken`.
    outcome try_accept(std::size_t index, std::optional<accepted_socket>& taken, int& number);

    /// Asks policy and admission about a peer whose true address is known. Takes the descriptor.
    outcome admit(int fd, const peer_info& from, std::optional<accepted_socket>& taken);
    /// The next one whose proxy has named him; `nobody` where there is none.
    outcome admit_announced(std::optional<accepted_socket>& taken);
    bool is_proxy(const endpoint_type& remote) const noexcept;
    void header_failed(const peer_info& peer, const error& why) noexcept;

    /// The same when memory runs out, or a log sink throws: one peer is lost, the door stays open.
    outcome accept_safely(std::size_t index, std::optional<accepted_socket>& taken, int& number);

    void refused(log_level level, const peer_info& peer, const verdict& answer);

    /// Asks for news of every door but the first, which the accepting coroutine watches itself.
    static void watch_others(const pointer& s);

    /// Takes an accepted socket that no context owns yet. True: go on.
    using sink = std::function<bool(accepted_socket&)>;

    /// The accepting loop: one frame for the life of the listener. Completes with the error that ended it, or
    /// with an empty one when the sink had enough.
    static awaitable<error> accept_each(pointer s, sink take);
    static awaitable<result<accepted>> accept(pointer s);

    void stop();

    void close() noexcept;

    boost::asio::any_io_executor executor;
    listener_options options;
    /// Whether this newcomer gets the place of somebody who is in; empty where nobody can be replaced.
    std::function<bool(const connection_attempt&)> takes_over;
    metrics meters;
    std::shared_ptr<context_counters> counts; // of this context
    admission house;
    event changed;
    proxy_gate gate;
    deadline later; // of the back-off, and of the second look while stopping
    std::vector<door> doors;
    std::vector<endpoint_type> where;
    std::uint64_t last_id = 0;
    std::uint64_t waiting_for_room = 0;
    std::size_t turn = 0; // the door that is asked first
    steady_clock::duration delay{};
    bool accepting = false;
    bool watching = false;
    bool paused = false;
    bool exhausted = false; // backs off
    bool short_of_resources = false;
    bool stopping = false;
    bool looked_twice = false;
    unsigned failures_in_a_row = 0;

  private:
    void release_context() noexcept override { close(); }
};

} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/tcp_listener.ipp>
#endif

#endif
