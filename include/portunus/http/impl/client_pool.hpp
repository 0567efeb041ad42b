// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_POOL_HPP
#define PORTUNUS_HTTP_IMPL_CLIENT_POOL_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/detail/intrusive_list.hpp>
#include <portunus/http/client_counters.hpp>
#include <portunus/http/client_options.hpp>
#include <portunus/http/credentials.hpp>
#include <portunus/http/head_parser.hpp>
#include <portunus/net/any_stream.hpp>

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace portunus::http::detail {

using portunus::detail::intrusive_list;

/// A connection, and what has come on it and was not used.
struct client_connection {
    client_connection(any_stream s, const head_limits& limits)
        : stream(std::move(s)), slots(std::min<std::size_t>(limits.max_fields, 100)), parser(slots, limits) {}

    std::string_view unread() const noexcept { return {in.data() + begin, end - begin}; }
    boost::asio::mutable_buffer room();
    /// Nothing has come while it rested: no end, no error, no byte that nobody asked for.
    bool quiet();

    static constexpr std::size_t first_room = 4096, body_room = 64 * 1024;

    any_stream stream;
    std::vector<char> in;
    std::size_t begin = 0, end = 0;
    std::string out;
    std::vector<field_slot> slots;
    response_parser parser;
    std::uint64_t served = 0;
    steady_clock::time_point rests_since{};
};

/// Who needs a connection, has one, or waits for one.
class place_seeker : public portunus::detail::intrusive_hook {
  public:
    place_seeker(const place_seeker&) = delete;
    place_seeker& operator=(const place_seeker&) = delete;
    /// Ends it with this error, whatever it waits for.
    virtual void fail(error why) = 0;

  protected:
    friend class client_state;
    explicit place_seeker(const boost::asio::any_io_executor& executor) : changed_(executor) {}
    ~place_seeker() = default;

    portunus::detail::event changed_;
    std::unique_ptr<client_connection> connection_;
    std::string key_;       // whom it wants to talk to
    std::string place_key_; // whose place it has; empty: none
    bool granted_ = false;
    bool in_line_ = false;
    bool fresh_ = false; // takes no connection that was used
};

/// What a client and its exchanges share: the pool, and the line of those who wait for a place in it.
class client_state : public std::enable_shared_from_this<client_state> {
  public:
    client_state(boost::asio::any_io_executor e, client_options o);

    /// Gives `x` a place, with a connection where one rests, or a place in line. False: in line.
    result<bool> join_line(place_seeker& x);
    void leave_line(place_seeker& x) noexcept;
    /// Takes the place of `x` back, and keeps its connection where that is of use.
    void give_back(place_seeker& x, bool keep);
    void close_resting();
    /// The client is gone.
    void shut();
    client_counters snapshot() const {
        client_counters now = counts;
        now.waiting = line_.size();
        return now;
    }

    boost::asio::any_io_executor executor;
    client_options options;
    deadline_service& time;
    intrusive_list<place_seeker> running;
    client_counters counts;
    std::map<std::string, credentials, std::less<>> known; // by origin
    struct proof {
        credentials who;
        std::unique_ptr<authenticator> by;
    };
    std::map<std::string, proof, std::less<>> proofs; // by origin
    bool closed = false;
    std::optional<std::stop_callback<std::function<void()>>> on_stop;

    static constexpr std::size_t most_proofs = 256;

  private:
    struct place {
        std::size_t open = 0;                                    // in use, being made, or resting
        std::vector<std::unique_ptr<client_connection>> resting; // the latest last
    };
    using places = std::map<std::string, place, std::less<>>;

    bool try_take(place_seeker& x);
    void serve_line();
    /// Closes the connection that has rested longest; the place for which that is done stays.
    bool evict(const place& for_whom);
    void drop(places::iterator at) noexcept;
    void sweep();
    void watch();

    places places_;
    std::size_t open_ = 0;
    std::list<place_seeker*> line_;
    deadline idle_;
};

} // namespace portunus::http::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/client_pool.ipp>
#endif

#endif
