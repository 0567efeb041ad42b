// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_PLUGIN_IO_HPP
#define PORTUNUS_ADAPTERS_DETAIL_PLUGIN_IO_HPP

#include <portunus/adapters/detail/byte_block.hpp>
#include <portunus/adapters/detail/plugin_core.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/framing/quiet_time_codec.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace portunus::detail {

/// The I/O context's half of a connection. Touched on its thread alone.
struct plugin_stream : std::enable_shared_from_this<plugin_stream> {
    plugin_stream(tcp_stream s, const boost::asio::any_io_executor& executor, steady_clock::duration idle)
        : stream(std::move(s)), changed(executor), idle_limit(idle),
          silence(deadline_service::of(executor), this,
                  [](void* self) { static_cast<plugin_stream*>(self)->stream.cancel_read(); }) {}

    /// Ends the connection for a reason that the stream has not met by itself.
    void fail(const error& why) {
        if (failed) return;
        failed = why;
        stream.record_failure(why);
        stream.cancel_read();
        changed.notify();
    }

    /// While the plugin does not take what came, silence is not the peer's fault.
    void hold_up(bool on) {
        held_up = on;
        if (stream.is_open()) stream.set_idle_limit(on ? steady_clock::duration::zero() : idle_limit);
    }

    tcp_stream stream;
    event changed; // of anything below
    steady_clock::duration idle_limit;
    deadline silence;   // of a codec that cuts by time
    byte_block fill;    // being read into
    byte_block sending; // being written from
    std::optional<quiet_time_codec> timed;
    std::size_t cut = 0; // of `fill`: a frame that ended with silence
    std::size_t wanted = 4096;
    std::optional<error> failed;
    steady_clock::time_point last_read{};
    std::optional<disconnect_mode> closing;
    bool writing = false;  // a coroutine waits for room
    bool held_up = false;  // the mailbox is full
    bool park = false;     // long idle: give the buffer back
    bool finished = false; // the plugin knows that it has ended
    bool detached = false; // its slot is not ours any more
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/adapters/detail/impl/plugin_io.ipp>
#endif

#endif
