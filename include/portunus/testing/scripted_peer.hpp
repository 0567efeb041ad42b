// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_SCRIPTED_PEER_HPP
#define PORTUNUS_TESTING_SCRIPTED_PEER_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/net/byte_stream.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace portunus::testing {

namespace detail {
struct script_step;
}

/// The other side of a connection, as a script: what it sends, what it expects to get, when it goes away.
///
///     scripted_peer device;
///     device.expect("GET temperature\r\n").send("21.5\r\n", 1).half_close().expect_end().close();
///     auto played = start(far.get_executor(), device.play(far));
///     ...
///     CHECK(co_await_named_first == "");        // the text of the first difference, with the step's number
///
/// A value: the same script can be played several times, and on any stream.
class scripted_peer {
  public:
    /// Reads just as many bytes, and they have to be these. Binary bytes are fine.
    scripted_peer& expect(std::string bytes);
    /// The other side has to finish in good order, without a further byte.
    scripted_peer& expect_end();
    /// The connection has to break, without a further byte: ECONNRESET, or what the stream has for it.
    scripted_peer& expect_reset();

    /// Sends the bytes, waiting where there is no room. With `chunk` it sends so many bytes at a time and
    /// lets the other side take them before the next ones, so that they arrive apart.
    scripted_peer& send(std::string bytes, std::size_t chunk = 0);

    /// Waits for so long, in the context's time: with manual time until somebody advances it.
    scripted_peer& wait(steady_clock::duration time);
    /// Waits until the condition holds; it is asked whenever the context is idle. Only in a context that
    /// `run` runs. `what` names it in error texts.
    scripted_peer& wait_until(std::function<bool()> condition, std::string what = "condition");

    /// Ends the sending direction, and goes on with the script.
    scripted_peer& half_close();
    /// Closes in good order. That the other side does not finish within `limit` is a difference.
    scripted_peer& close(steady_clock::duration limit = default_drain_limit);
    /// Breaks the connection.
    scripted_peer& reset();

    /// Follows the script on `stream`, which has to live until this has completed and may be used on
    /// afterwards: nothing that the script does not say is done to it.
    ///
    /// Completes with nothing ("") when all steps were done, otherwise with a line such as
    ///
    ///     step 2, expect "hello\r\n" (7 bytes): the first 3 came, then "p!" instead of "lo\r\n"
    ///
    /// and the steps behind it are not done. It has no limit in time: the watchdog of `run` is one.
    template <byte_stream Stream>
    awaitable<std::string> play(Stream& stream) const;

    std::size_t steps() const noexcept { return steps_.size(); }

  private:
    scripted_peer& add(detail::script_step step);

    std::vector<std::shared_ptr<const detail::script_step>> steps_;
};

} // namespace portunus::testing

#include <portunus/testing/impl/scripted_peer.hpp>

#endif