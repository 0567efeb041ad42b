// SPDX-License-Identifier: BSL-1.0
// Who is connected, and how the connections are doing, for whoever asks from another one of them or by the
// web page.
#pragma once

#include <portunus/core/result.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

/// What is told about a connection.
struct visitor {
    std::uint64_t id = 0;
    std::string port; ///< the name of the kind of port
    std::string remote;
    std::uint64_t seconds = 0;  ///< since it came
    std::uint64_t messages = 0; ///< that it has sent
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
};

/// A connection belongs to one thread, and only there may be asked how it is; the list of them may be read
/// from everywhere.
class roster {
  public:
    /// A session's place in the roster, for as long as the object lives.
    class place {
      public:
        /// \param stream has to live longer.
        /// \param say gives the peer a message of ours; called on the session's thread.
        place(roster& everybody, std::string_view port, portunus::tcp_stream& stream,
              std::function<portunus::result<void>(std::string_view)> say);
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place();

        void count_message() noexcept { ++messages_; }
        const std::string& remote() const noexcept { return remote_; }

      private:
        friend class roster;
        roster& everybody_;
        std::uint64_t id_ = 0;
        std::string port_;
        std::string remote_;
        portunus::tcp_stream& stream_;
        std::function<portunus::result<void>(std::string_view)> say_;
        std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
        std::uint64_t messages_ = 0;
    };

    /// Everybody who is connected: "10.0.0.7:4411 mac 02:00:00:00:00:07 state established rtt 120 us ...;
    /// ...". Completes when each connection has been asked on its own thread.
    portunus::awaitable<std::string> describe();
    /// The first of them, by the order in which they came.
    portunus::awaitable<std::vector<visitor>> list(std::size_t most);
    std::size_t size() const;

    /// Lets a connection end in good order: what has arrived is answered. False: there is none of that
    /// number.
    portunus::awaitable<bool> close(std::uint64_t id);
    /// Sends a message of ours to the peer. `errc::not_connected`: there is none of that number.
    portunus::awaitable<portunus::result<void>> send(std::uint64_t id, std::string text);

  private:
    using question = std::function<void(place&)>;
    /// Puts the question on the connection's own thread. False: it has gone.
    portunus::awaitable<bool> ask(std::uint64_t id, question what);
    static portunus::awaitable<bool> ask_here(roster& all, std::uint64_t id, question what);
    std::vector<std::uint64_t> ids(std::size_t most) const;

    mutable std::mutex mutex_;
    std::map<std::uint64_t, place*> places_;
    std::uint64_t last_ = 0;
};

} // namespace hub
