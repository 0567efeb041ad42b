// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_IMPL_PLUGIN_CONVERSATION_IPP
#define PORTUNUS_ADAPTERS_DETAIL_IMPL_PLUGIN_CONVERSATION_IPP

#include <portunus/adapters/detail/plugin_conversation.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/connect.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace portunus::detail {

// --- connections ---

PORTUNUS_DECL awaitable<void> plugin_core::accept_all(pointer self, std::shared_ptr<tcp_door> door) {
    while (door->listener) {
        auto got = co_await door->listener->accept();
        if (!got) {
            if (got.error() != errc::listener_closed && got.error() != errc::canceled)
                self->log(log_level::error, "a listener ended: " + got.error().message());
            break;
        }
        try {
            self->take(*door, std::move(*got));
        } catch (...) { // costs this connection, and not the door
            self->log(log_level::error, "a connection was lost: " + text_of(std::current_exception()));
        }
    }
    door->listener.reset();
    --self->doors_;
    if (self->quiet_) self->quiet_->notify();
}

PORTUNUS_DECL void plugin_core::take(tcp_door& door, accepted newcomer) {
    connection_slot* const slot = stopping ? nullptr : connections.acquire();
    if (!slot) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        newcomer.stream.abort(close_reason::denied);
        if (!stopping) log(log_level::warning, "a connection is refused: all handles are taken");
        return;
    }
    {
        const std::lock_guard lock(slot->mutex);
        slot->begin(stopping);
        slot->incoming = true;
        slot->info = {door.id, newcomer.peer.remote, newcomer.peer.local, newcomer.peer.time};
        slot->framing = door.framing;
        const bool timed = slot->framing.get_if<quiet_time_codec>() != nullptr;
        slot->timed_changed = timed;
        slot->source.decoder.exchange(timed ? any_codec(raw_codec()) : door.framing);
    }
    if (shutting_) newcomer.stream.request_stop();
    spawn(serve(shared_from_this(), slot, std::move(newcomer.stream), door.idle_limit));
}

PORTUNUS_DECL awaitable<void> plugin_core::serve(pointer self, connection_slot* slot, tcp_stream stream,
                                                 steady_clock::duration idle_limit) {
    attachment mine(self, slot);
    mine.ticket = std::move(tcp_stream_state::pointer_of(stream)->ticket);
    mine.io = std::make_shared<plugin_stream>(std::move(stream), self->executor_, idle_limit);
    co_await converse(self, slot, mine.io);
}

PORTUNUS_DECL awaitable<void> plugin_core::open_connection(pointer self, connection_slot* slot,
                                                           std::string host, std::uint16_t port,
                                                           connect_options how) {
    attachment mine(self, slot);
    auto made = co_await portunus::connect(host, port, how);
    bool wanted = false;
    {
        const std::lock_guard lock(slot->mutex);
        wanted = !slot->closing && !slot->said_closed;
        if (!made && !slot->end) slot->end = connection_end{reason_of(made.error()), made.error()};
        if (made && wanted) {
            slot->info.remote = made->remote_endpoint();
            slot->info.local = made->local_endpoint();
            slot->info.time = std::chrono::system_clock::now();
        }
    }
    if (!made || !wanted) co_return; // what there is of it goes with this frame
    if (self->shutting_) made->request_stop();
    mine.io = std::make_shared<plugin_stream>(std::move(*made), self->executor_, how.stream.idle_limit);
    co_await converse(self, slot, mine.io);
}

PORTUNUS_DECL boost::asio::mutable_buffer plugin_core::room(plugin_stream& io) {
    char* const at = io.fill.prepare(io.wanted);
    return {at, io.fill.room()};
}

/// Cuts what is read into frames that end with silence. True when there is one, or no such codec.
PORTUNUS_DECL bool plugin_core::cut_by_time(plugin_stream& io) {
    if (!io.timed) return true;
    if (io.cut != 0) return true;
    const auto now = deadline_service::of(executor_.context()).now();
    io.timed->expired(now);
    const decode_step step = io.timed->decode(nullptr, io.fill.size());
    if (step.what == decode_step::kind::failed) io.fail(io.timed->failure());
    if (step.what == decode_step::kind::frame) io.cut = step.consumed;
    if (const auto at = io.timed->deadline()) io.silence.arm_at(*at);
    return io.cut != 0;
}

/// Gives what was read to the plugin. False when its mailbox is full.
PORTUNUS_DECL bool plugin_core::hand_over(connection_slot& slot, plugin_stream& io) {
    {
        const std::lock_guard lock(slot.mutex);
        if (slot.closing || slot.said_closed) {
            io.fill.clear();
            return true;
        }
        if (std::exchange(slot.timed_changed, false)) {
            const auto* codec = slot.framing.get_if<quiet_time_codec>();
            io.timed.reset();
            io.cut = 0;
            if (codec) {
                io.timed = *codec;
                io.timed->reset();
                if (!io.fill.empty())
                    io.timed->received(deadline_service::of(executor_.context()).now(), io.fill.size());
            }
        }
        if (!cut_by_time(io) || io.fill.empty()) return true;
        const std::size_t n = io.timed ? io.cut : io.fill.size();
        if (slot.inbox.empty() && n == io.fill.size()) {
            slot.inbox.swap(io.fill);
        } else if (!slot.inbox.empty() && (io.timed || slot.inbox.size() + n > options.max_inbox)) {
            slot.reader_waits = true;
            return false;
        } else {
            slot.inbox.append(io.fill.view().substr(0, n));
            io.fill.consume(n);
        }
        io.cut = 0;
    }
    mail_from_io(slot);
    return true;
}

PORTUNUS_DECL void plugin_core::tell_ended(connection_slot& slot, const tcp_stream& stream,
                                           const error& why) {
    connection_end end{stream.reason(), why};
    if (end.reason == close_reason::none) end.reason = reason_of(why);
    const error cause = stream.failure_cause();
    if (cause.code().failed()) end.cause = cause;
    if (end.cause == errc::end_of_stream || end.cause == errc::closed_locally) end.cause = error();
    {
        const std::lock_guard lock(slot.mutex);
        if (!slot.end) slot.end = std::move(end);
    }
    mail_from_io(slot);
}

/// What a read has brought. True when there is nothing more to read; `why` then says so.
PORTUNUS_DECL bool plugin_core::read_ended(plugin_stream& io, const result<std::size_t>& got, error& why) {
    if (io.failed) {
        why = *io.failed;
        return true;
    }
    if (got) {
        if (*got == 0) return false; // woken from a long rest
        if (*got == io.fill.room())
            io.wanted = std::min<std::size_t>({io.wanted * 2, 65536, options.max_inbox});
        io.fill.commit(*got);
        io.last_read = deadline_service::of(executor_.context()).now();
        if (io.timed) io.timed->received(io.last_read, io.fill.size());
        return false;
    }
    if (got.error() == errc::canceled) return false; // somebody has something to say
    why = got.error();
    return true;
}

PORTUNUS_DECL awaitable<void> plugin_core::converse(pointer self, connection_slot* slot,
                                                    std::shared_ptr<plugin_stream> io) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    io->last_read = deadline_service::of(self->executor_.context()).now();
    {
        const std::lock_guard lock(slot->mutex);
        slot->io = io.get();
        slot->open = true;
        if (self->is_torn_down()) { // nobody is there any more
            slot->closing = disconnect_mode::abort;
            io->finished = true;
        }
        if (slot->closing) io->closing = slot->closing;
    }
    self->mail_from_io(*slot);
    if (!self->pump(*slot, *io)) self->begin_writer(*slot, *io);
    result<std::size_t> got = std::size_t(0);
    error why;
    while (!io->closing && !io->failed) {
        while (!self->hand_over(*slot, *io) && !io->closing && !io->failed) {
            io->hold_up(true);
            co_await io->changed.wait_op();
            io->hold_up(false);
        }
        if (io->closing || io->failed) break;
        if (io->park && io->fill.empty()) {
            io->fill.release();
            io->wanted = 4096;
            auto ready = co_await io->stream.wait_readable();
            got = std::size_t(0);
            if (!ready) got = ready.error();
            io->park = false;
            io->last_read = deadline_service::of(self->executor_.context()).now();
        } else {
            got = co_await io->stream.read_some(self->room(*io));
        }
        if (self->read_ended(*io, got, why)) break;
    }
    io->silence.disarm();
    if (!io->closing) { // the peer's doing, or the end of the program: what came before it comes first
        if (io->failed) why = *io->failed;
        if (io->timed) io->cut = io->fill.size();
        while (!self->hand_over(*slot, *io) && !io->closing) {
            io->hold_up(true);
            co_await io->changed.wait_op();
            io->hold_up(false);
        }
        self->tell_ended(*slot, io->stream, why);
        while (!io->finished && !io->closing) co_await io->changed.wait_op();
    }
    const bool orderly = io->closing ? *io->closing == disconnect_mode::graceful
                                     : why == errc::end_of_stream || why == errc::shutting_down;
    if (orderly) {
        co_await write_out(self, slot, io);
        auto closed = co_await io->stream.close(self->options.drain_limit);
        if (!closed && !why.code().failed()) why = closed.error();
    } else {
        io->stream.abort();
    }
    if (!why.code().failed()) why = io->failed ? *io->failed : error(errc::closed_locally);
    self->tell_ended(*slot, io->stream, why);
    // The connection's place behind its door is free when the plugin has handled its end (row T-8).
    while (!io->finished) co_await io->changed.wait_op();
}

PORTUNUS_DECL awaitable<void> plugin_core::write_out(pointer self, connection_slot* slot,
                                                     std::shared_ptr<plugin_stream> io) {
    while (!io->failed && io->closing != disconnect_mode::abort) {
        if (!io->writing) {
            if (self->pump(*slot, *io)) co_return;
            self->begin_writer(*slot, *io);
        }
        co_await io->changed.wait_op();
    }
}

PORTUNUS_DECL awaitable<void> plugin_core::write_rest(pointer self, connection_slot* slot,
                                                      std::shared_ptr<plugin_stream> io) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    for (;;) {
        auto ready = co_await io->stream.wait_writable();
        if (io->detached) co_return;
        if (!ready) {
            io->fail(ready.error());
            break;
        }
        if (self->pump(*slot, *io)) break;
    }
    io->writing = false;
    io->changed.notify();
}

} // namespace portunus::detail

#endif
