// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_IMPL_PLUGIN_IO_IPP
#define PORTUNUS_ADAPTERS_DETAIL_IMPL_PLUGIN_IO_IPP

#include <portunus/adapters/detail/plugin_io.hpp>

#include <portunus/core/detail/config.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace portunus::detail {

// --- the I/O side ---

PORTUNUS_DECL void plugin_core::awake() {
    wake_pending_ = false;
    io_thread_ = std::this_thread::get_id();
    run_jobs();
    flush_dirty();
    if (on_context()) drain();
    if (stopped_) teardown();
}

PORTUNUS_DECL void plugin_core::run_jobs() {
    for (;;) {
        std::shared_ptr<plugin_job> job;
        {
            const std::lock_guard lock(io_mutex_);
            if (jobs_.empty()) return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
            if (job->now != plugin_job::state::waiting || torn_down_) continue;
            job->now = plugin_job::state::running;
        }
        try {
            job->run();
        } catch (...) {
            job->thrown = std::current_exception();
        }
        const std::lock_guard lock(io_mutex_);
        job->now = plugin_job::state::done;
        io_changed_.notify_all();
    }
}

PORTUNUS_DECL void plugin_core::flush_dirty() {
    for (;;) {
        connection_slot* slot = nullptr;
        {
            const std::lock_guard lock(io_mutex_);
            slot = first_dirty_;
            if (!slot) return;
            first_dirty_ = slot->next_dirty;
        }
        plugin_stream* io = nullptr;
        bool go_on = false;
        {
            const std::lock_guard lock(slot->mutex);
            slot->dirty = false;
            io = slot->io;
            if (!io) continue;
            if (slot->closing && !io->closing) {
                io->closing = slot->closing;
                go_on = true;
            } else if (slot->closing == disconnect_mode::abort && io->closing != disconnect_mode::abort) {
                io->closing = disconnect_mode::abort; // it had begun in good order
                go_on = true;
            }
            if (slot->over && !io->finished) io->finished = go_on = true;
            if (io->held_up && !slot->reader_waits) go_on = true;
            if (slot->timed_changed) go_on = true;
        }
        if (io->closing == disconnect_mode::abort) io->stream.abort();
        if (go_on) {
            io->stream.cancel_read();
            io->changed.notify();
        }
        if (io->writing || io->failed) continue;
        if (!pump(*slot, *io)) begin_writer(*slot, *io);
    }
}

/// Sends what there is. False when the system takes no more for now.
PORTUNUS_DECL bool plugin_core::pump(connection_slot& slot, plugin_stream& io) {
    for (;;) {
        if (io.sending.empty()) {
            const std::lock_guard lock(slot.mutex);
            io.sending.swap(slot.outbox);
            slot.sending = io.sending.size();
            if (io.sending.empty()) return true;
        }
        const auto bytes = io.sending.view();
        auto sent = io.stream.try_write_some(boost::asio::buffer(bytes.data(), bytes.size()));
        if (sent) {
            io.sending.consume(*sent);
        } else if (sent.error() == errc::would_block) {
            return false;
        } else {
            io.fail(sent.error());
            return true;
        }
    }
}

PORTUNUS_DECL void plugin_core::begin_writer(connection_slot& slot, plugin_stream& io) {
    io.writing = true;
    spawn(write_rest(shared_from_this(), &slot, io.shared_from_this()));
}

PORTUNUS_DECL void plugin_core::spawn(awaitable<void> body) {
    boost::asio::co_spawn(executor_, std::move(body), [self = shared_from_this()](std::exception_ptr thrown) {
        if (thrown) self->log(log_level::error, "an exception left the I/O of a plugin: " + text_of(thrown));
    });
}

PORTUNUS_DECL void plugin_core::watch_events() {
    const std::int64_t began = event_began_.load();
    if (on_context() || began == 0) return;
    const std::int64_t took = nanoseconds_now() - began;
    if (took < std::chrono::nanoseconds(options.block_limit).count()) return;
    if (event_reported_.exchange(began) == began) return;
    slow_.fetch_add(1, std::memory_order_relaxed);
    log(log_level::warning, "an event runs for " + std::to_string(took / 1000000) + " ms already");
}

PORTUNUS_DECL void plugin_core::prepare_io() {
    if (quiet_) return;
    quiet_.emplace(executor_);
    auto& time = deadline_service::of(executor_.context());
    sweeper_.emplace(time, this, [](void* self) { static_cast<plugin_core*>(self)->sweep(); });
    tick_.emplace(time, this, [](void* self) { static_cast<plugin_core*>(self)->tick(); });
    tasks_.emplace(executor_, options.log);
}

PORTUNUS_DECL void plugin_core::tick() {
    tick_->arm(tick_interval_);
    {
        const std::lock_guard lock(host_mutex_);
        tick_due_ = true;
    }
    mail_from_io(host_mail_);
}

/// Now and then: events that block, messages that do not end, connections that are idle.
PORTUNUS_DECL void plugin_core::sweep() {
    auto& time = deadline_service::of(executor_.context());
    prepare_io();
    watch_events();
    const std::int64_t now = nanoseconds_now(),
                       limit = std::chrono::nanoseconds(options.message_limit).count();
    connections.each([&](connection_slot& slot) {
        plugin_stream* io = slot.io;
        if (!io || io->failed || io->closing) return;
        std::size_t kept = 0;
        bool late = false, full = false;
        {
            const std::lock_guard lock(slot.mutex);
            const std::int64_t since = slot.partial_since.load(std::memory_order_relaxed);
            kept = slot.inbox.size();
            full = slot.reader_waits;
            late = limit != 0 && since != 0 && now - since > limit && kept == 0 && !slot.paused;
        }
        if (late)
            io->fail(error(errc::read_timeout,
                           "a message is not complete after " + std::to_string(limit / 1000000) + " ms"));
        else if (!full && kept == 0 && io->fill.empty() && !io->park &&
                 time.now() - io->last_read > std::chrono::seconds(2)) {
            io->park = true;
            io->stream.cancel_read();
        }
    });
    steady_clock::duration next = std::chrono::seconds(1);
    next = std::min(next,
                    std::max<steady_clock::duration>(options.block_limit / 2, std::chrono::milliseconds(10)));
    if (options.message_limit.count() > 0)
        next = std::min(
            next, std::max<steady_clock::duration>(options.message_limit / 4, std::chrono::milliseconds(10)));
    sweeper_->arm(next);
}

/// Everything of the plugin that is open is closed; connections may still say goodbye. Once.
PORTUNUS_DECL void plugin_core::teardown() {
    {
        const std::lock_guard lock(io_mutex_);
        if (torn_down_ || gone_) return;
    }
    if (tick_) tick_->disarm();
    if (sweeper_) sweeper_->disarm();
    if (tasks_) tasks_->cancel();
    tasks_.reset();
    listeners.each([&](listener_slot& slot) {
        std::function<void(bool)> close;
        {
            const std::lock_guard lock(slot.mutex);
            for (const auto& out : slot.outbox) // the goodbyes
                if (slot.udp) (void)slot.udp->try_send_from(out.from, out.to, out.bytes);
            slot.outbox.clear();
            close = std::move(slot.close);
            slot.close = nullptr;
            slot.set_policy = nullptr;
            slot.udp.reset();
            if (slot.used) listeners.release(slot);
        }
        if (close) close(true);
    });
    connections.each([&](connection_slot& slot) {
        plugin_stream* io = slot.io;
        if (!io) return;
        {
            const std::lock_guard lock(slot.mutex);
            if (!slot.closing) slot.closing = disconnect_mode::graceful;
            io->closing = slot.closing;
        }
        io->finished = true;
        if (io->closing == disconnect_mode::abort) io->stream.abort();
        io->stream.cancel_read();
        io->changed.notify();
    });
    {
        const std::lock_guard lock(io_mutex_);
        torn_down_ = true;
        io_changed_.notify_all();
    }
    if (quiet_) quiet_->notify();
}

PORTUNUS_DECL void plugin_core::context_gone() {
    {
        const std::lock_guard lock(gate_);
        gate_closed_ = true;
    }
    const std::lock_guard lock(io_mutex_);
    gone_ = true;
    io_changed_.notify_all();
}

PORTUNUS_DECL void plugin_core::begin_shutdown() {
    if (shutting_) return;
    shutting_ = true;
    {
        const std::lock_guard lock(host_mutex_);
        stopping_due_ = true;
    }
    mail(host_mail_);
    listeners.each([&](listener_slot& slot) {
        std::function<void(bool)> close;
        {
            const std::lock_guard lock(slot.mutex);
            if (slot.used && slot.info.kind == listener_kind::tcp) close = slot.close;
        }
        if (close) close(false);
    });
    connections.each([](connection_slot& slot) {
        if (slot.io) slot.io->stream.request_stop();
    });
}

PORTUNUS_DECL bool plugin_core::is_torn_down() const {
    const std::lock_guard lock(io_mutex_);
    return torn_down_;
}

PORTUNUS_DECL awaitable<bool> plugin_core::wind_down(pointer self, steady_clock::duration grace) {
    if (self->stopped_ && self->attached_ == 0) co_return true;
    self->prepare_io();
    struct watch {
        plugin_core* core;
        bool late = false;
    } mine{self.get()};
    deadline end(deadline_service::of(self->executor_.context()), &mine, [](void* of) {
        static_cast<watch*>(of)->late = true;
        static_cast<watch*>(of)->core->quiet_->notify();
    });
    if (grace != steady_clock::duration::max()) end.arm(grace);
    // What comes out of the kernel's queues belongs to it: the first moment is for that.
    while (!mine.late && !self->stopped_ && !self->is_quiet()) co_await self->quiet_->wait_op();
    bool clean = !mine.late;
    self->stopping = true;
    self->box_.interrupt();
    if (self->on_context()) self->drain();
    mine.late = false;
    end.arm(std::chrono::seconds(2));
    while (!mine.late && !self->is_torn_down()) co_await self->quiet_->wait_op();
    if (!self->is_torn_down()) {
        self->log(log_level::error, "an event still runs though the program stops");
        clean = false;
    }
    while (!mine.late && self->attached_ != 0) co_await self->quiet_->wait_op();
    self->connections.each([](connection_slot& slot) {
        if (slot.io) slot.io->stream.abort(close_reason::shutdown);
    });
    co_return clean;
}

// --- datagrams ---

/// False when the socket is not this slot's any more.
PORTUNUS_DECL bool plugin_core::store_datagrams(listener_slot& slot,
                                                const std::shared_ptr<udp_socket>& socket,
                                                const datagram_batch& batch) {
    {
        const std::lock_guard lock(slot.mutex);
        if (slot.udp != socket) return false;
        if (slot.inbox.empty()) slot.inbox.resize(options.max_datagrams);
        for (const datagram& d : batch) {
            if (slot.count ==
                slot.inbox.size()) { // the oldest makes room; what it knew of losses stays known
                slot.dropped += 1 + slot.inbox[slot.first].about.lost_before;
                slot.first = (slot.first + 1) % slot.inbox.size();
                --slot.count;
                dropped_.fetch_add(1, std::memory_order_relaxed);
            }
            stored_datagram& place = slot.inbox[(slot.first + slot.count) % slot.inbox.size()];
            place.about = d;
            place.bytes.assign(d.bytes);
            ++slot.count;
        }
    }
    mail_from_io(slot);
    return true;
}

PORTUNUS_DECL awaitable<void> plugin_core::receive_all(pointer self, listener_slot* slot,
                                                       std::shared_ptr<udp_socket> socket) {
    for (;;) {
        auto got = co_await socket->receive_batch();
        if (!got) {
            if (got.error() != errc::canceled && got.error() != errc::closed_locally)
                self->log(log_level::error, "a UDP socket ended: " + got.error().message());
            co_return;
        }
        if (!self->store_datagrams(*slot, socket, *got)) co_return;
    }
}

PORTUNUS_DECL awaitable<void> plugin_core::send_all(pointer self, listener_slot* slot,
                                                    std::shared_ptr<udp_socket> socket) {
    queued_datagram next;
    for (;;) {
        {
            const std::lock_guard lock(slot->mutex);
            if (slot->udp != socket) co_return;
            if (slot->outbox.empty()) {
                slot->sending = false;
                co_return;
            }
            next = std::move(slot->outbox.front());
            slot->outbox.pop_front();
        }
        auto sent = co_await socket->send_from(next.from, next.to, next.bytes);
        if (!sent) self->log(log_level::warning, "a datagram was not sent: " + sent.error().message());
    }
}

} // namespace portunus::detail

#endif
