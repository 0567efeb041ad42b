// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_ANY_STREAM_IPP
#define PORTUNUS_NET_IMPL_ANY_STREAM_IPP

#include <portunus/net/impl/any_stream.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>

namespace portunus::detail {

PORTUNUS_DECL awaitable<result<std::size_t>> any_stream_state::read_first(pointer s,
                                                                          boost::asio::mutable_buffer into) {
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (s->dropped || stop_asked(asked)) co_return errc::canceled;
    if (!s->has_first()) co_return co_await s->read_some(into); // closed, or read by somebody else, meanwhile
    co_return s->take_first(into);
}

PORTUNUS_DECL awaitable<result<void>> any_stream_state::first_is_readable(pointer s) {
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (s->dropped || stop_asked(asked)) co_return errc::canceled;
    if (!s->has_first()) co_return co_await s->wait_readable();
    co_return result<void>();
}

/// For streams that have no `write` of their own.
PORTUNUS_DECL awaitable<result<void>> any_stream_state::write_all(pointer s, boost::asio::const_buffer data) {
    bool some_left = false;
    while (data.size() != 0) {
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        if (s->dropped) co_return errc::canceled;
        error failed;
        if (stop_asked(asked)) {
            failed = errc::canceled;
        } else {
            auto n = s->try_write_some(data);
            if (n) {
                data += *n;
                some_left = true;
                continue;
            }
            if (n.error() != errc::would_block) co_return n.error();
            auto room = co_await s->wait_writable();
            if (room) continue;
            failed = room.error();
        }
        if (failed != errc::canceled || !some_left || s->dropped) co_return failed;
        // A part of a message is out: whatever followed would be read as the rest of it.
        s->record_failure(errc::torn_write);
        s->abort(close_reason::aborted_locally);
        co_return errc::torn_write;
    }
    co_return result<void>();
}

} // namespace portunus::detail

#endif
