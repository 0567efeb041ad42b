// SPDX-License-Identifier: BSL-1.0
// Who is connected, and how the connections are doing, for whoever asks from another one of them.
#pragma once

#include <portunus/net/tcp_stream.hpp>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace hub {

/// A connection belongs to one thread, and only there may be asked how it is; the list of them may be read
/// from everywhere.
class roster {
  public:
    /// A session's place in the roster, for as long as the object lives. `stream` has to live longer.
    class place {
      public:
        place(roster& everybody, const portunus::tcp_stream& stream);
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place();

      private:
        roster& everybody_;
        std::uint64_t id_;
    };

    /// Everybody who is connected: "10.0.0.7:4411 mac 02:00:00:00:00:07 state established rtt 120 us ...;
    /// ...". Completes when each connection has been asked on its own thread.
    portunus::awaitable<std::string> describe();

  private:
    portunus::awaitable<std::string> describe_one(std::uint64_t id);

    std::mutex mutex_;
    std::map<std::uint64_t, const portunus::tcp_stream*> streams_;
    std::uint64_t last_ = 0;
};

} // namespace hub
