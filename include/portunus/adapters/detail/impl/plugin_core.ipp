// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_IMPL_PLUGIN_CORE_IPP
#define PORTUNUS_ADAPTERS_DETAIL_IMPL_PLUGIN_CORE_IPP

#include <portunus/adapters/detail/plugin_core.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/connect.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace portunus::detail {

inline std::int64_t nanoseconds_now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(steady_clock::now().time_since_epoch())
        .count();
}

// --- slots ---

PORTUNUS_DECL void connection_slot::begin(const std::atomic<bool>& stopping) {
    clear();
    begun = generation;
    source.stopping = &stopping;
}

PORTUNUS_DECL void connection_slot::clear() {
    for (byte_block* block : {&inbox, &outbox, &work}) block->release();
    sending = 0;
    framing = any_codec(raw_codec());
    source.decoder = frame_decoder<any_codec>(any_codec(raw_codec()));
    source.halted = false;
    info = {};
    end.reset();
    closing.reset();
    next_framing.reset();
    timed_changed = incoming = open = told = said_closed = over = paused = io_gone = reader_waits = false;
    partial_since = 0;
}

// --- beginning and end ---

PORTUNUS_DECL plugin_core::plugin_core(runtime& rt, std::shared_ptr<plugin> what, plugin_options o,
                                       start_function on_start)
    : options(std::move(o)), connections(options.max_connections), runtime_(rt),
      executor_(rt.context().get_executor()), plugin_(std::move(what)), on_start_(on_start),
      io_thread_(std::this_thread::get_id()) {}

PORTUNUS_DECL plugin_core::~plugin_core() {
    if (thread_.joinable()) thread_.detach(); // the thread itself was the last to hold us
}

PORTUNUS_DECL void plugin_core::start() {
    (void)post([this] { sweep(); });
    box_.push(host_mail_);
    if (!on_context()) {
        const std::lock_guard lock(join_mutex_);
        thread_ = std::thread([self = shared_from_this()] { self->run_thread(); });
    }
}

PORTUNUS_DECL void plugin_core::run_thread() {
    running_on_ = std::this_thread::get_id();
    while (mail_source* source = box_.wait()) {
        deliver_mail(*source);
        if (stopping) break;
    }
    finish();
    running_on_ = std::thread::id();
}

PORTUNUS_DECL void plugin_core::drain() {
    if (draining_ || stopped_) return;
    const pointer self = shared_from_this(); // an event may drop every other handle
    draining_ = true;
    running_on_ = std::this_thread::get_id();
    int budget = 64; // then others of the context have their turn
    while (!stopping && budget > 0) {
        mail_source* const source = box_.pop();
        if (!source) break;
        deliver_mail(*source);
        --budget;
    }
    if (stopping) finish();
    running_on_ = std::thread::id();
    draining_ = false;
    flush_dirty();
    if (budget == 0) wake_io();
}

PORTUNUS_DECL void plugin_core::ask_to_stop() {
    stopping = true;
    box_.interrupt();
    const std::lock_guard lock(io_mutex_);
    io_changed_.notify_all(); // an event that waits for the I/O context has to end
}

PORTUNUS_DECL result<void> plugin_core::stop(steady_clock::duration limit) {
    ask_to_stop();
    if (in_event()) return {};
    const bool here = io_thread_here();
    if (here && on_context()) drain();
    if (!here) wake_io();
    {
        std::unique_lock lock(io_mutex_);
        const auto ended = [&] { return stopped_.load() && (here || torn_down_ || gone_); };
        const bool in_time = limit == steady_clock::duration::max()
                                 ? (io_changed_.wait(lock, ended), true)
                                 : io_changed_.wait_for(lock, limit, ended);
        if (!in_time) {
            lock.unlock();
            error late(errc::drain_timeout, "an event of the plugin " + options.name + " still runs after " +
                                                std::to_string(limit / std::chrono::milliseconds(1)) + " ms");
            log(log_level::error, late.message());
            return late;
        }
    }
    if (here) teardown();
    const std::lock_guard lock(join_mutex_);
    if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
    return {};
}

/// The last of the plugin's side: what it still has to hear, and then nothing any more.
PORTUNUS_DECL void plugin_core::finish() {
    if (stopped_) return;
    bool started = false;
    {
        const std::lock_guard lock(host_mutex_);
        started = !start_due_;
    }
    if (!std::exchange(said_stopping_, true) && started) call("on_stopping", [&] { plugin_->on_stopping(); });
    connections.each([&](connection_slot& slot) {
        std::unique_lock lock(slot.mutex);
        if (!slot.used || slot.begun != slot.generation || slot.said_closed) return;
        const bool told = slot.told || !slot.incoming;
        slot.said_closed = true;
        const connection_id id = connections_table::handle_of(slot);
        connection_end end{close_reason::shutdown, {}};
        if (slot.end) end = *slot.end;
        if (!slot.closing) slot.closing = told ? disconnect_mode::graceful : disconnect_mode::abort;
        lock.unlock();
        if (told) call("on_closed", [&] { plugin_->on_closed(id, end); });
        lock.lock();
        slot.over = true;
        if (slot.io_gone) connections.release(slot);
    });
    pages.each([&](page_slot& slot) {
        std::function<void()> answered;
        {
            const std::lock_guard lock(slot.mutex);
            if (!slot.used || slot.answer) return;
            slot.answer = page_reply{503, "the service stops\n"};
            answered = slot.answered;
        }
        if (answered) answered();
    });
    call("the destructor", [&] { plugin_.reset(); });
    {
        const std::lock_guard lock(host_mutex_);
        functions_.clear();
    }
    {
        const std::lock_guard lock(io_mutex_);
        stopped_ = true;
        io_changed_.notify_all();
    }
    if (io_thread_here())
        teardown();
    else
        wake_io();
}

// --- the plugin's side ---

template <class F>
bool plugin_core::call(const char* event, F f) noexcept {
    const std::int64_t began = nanoseconds_now();
    event_began_.store(began, std::memory_order_relaxed);
    bool good = true;
    try {
        f();
    } catch (...) {
        good = false;
        exceptions_.fetch_add(1, std::memory_order_relaxed);
        try {
            log(log_level::error,
                std::string("an exception left ") + event + ": " + text_of(std::current_exception()));
        } catch (...) { // no memory: the count tells it
        }
    }
    const std::int64_t took = nanoseconds_now() - began;
    event_began_.store(0, std::memory_order_relaxed);
    events_.fetch_add(1, std::memory_order_relaxed);
    if (took > std::chrono::nanoseconds(options.block_limit).count() &&
        event_reported_.exchange(0) != began) {
        slow_.fetch_add(1, std::memory_order_relaxed);
        try {
            log(log_level::warning, std::string(event) + " took " + std::to_string(took / 1000000) + " ms");
        } catch (...) {
        }
    }
    return good;
}

PORTUNUS_DECL void plugin_core::deliver_mail(mail_source& source) {
    try {
        deliver_to_plugin(source);
    } catch (...) { // no memory; the plugin's own exceptions do not come so far
        log(log_level::error, "an event was lost: " + text_of(std::current_exception()));
    }
}

PORTUNUS_DECL void plugin_core::deliver_to_plugin(mail_source& source) {
    switch (source.what) {
    case mail_source::kind::host:
        return deliver_host();
    case mail_source::kind::connection:
        return deliver_connection(static_cast<connection_slot&>(source));
    case mail_source::kind::datagrams:
        return deliver_datagrams(static_cast<listener_slot&>(source));
    case mail_source::kind::page:
        return deliver_page(static_cast<page_slot&>(source));
    }
}

PORTUNUS_DECL void plugin_core::deliver_host() {
    bool start = false, tick = false, says_stopping = false;
    std::function<void()> next;
    bool more = false;
    {
        const std::lock_guard lock(host_mutex_);
        start = std::exchange(start_due_, false);
        tick = std::exchange(tick_due_, false);
        says_stopping = std::exchange(stopping_due_, false);
        if (!functions_.empty()) {
            next = std::move(functions_.front());
            functions_.pop_front();
            more = !functions_.empty();
        }
    }
    if (more) box_.push(host_mail_); // behind the others
    if (start) call("on_started", [&] { on_start_(*plugin_, shared_from_this()); });
    if (next && !stopping) call("a delivered function", next);
    if (tick && !stopping) call("on_tick", [&] { plugin_->on_tick(); });
    if (says_stopping && !stopping && !std::exchange(said_stopping_, true))
        call("on_stopping", [&] { plugin_->on_stopping(); });
}

PORTUNUS_DECL void plugin_core::deliver_connection(connection_slot& slot) {
    connection_id id;
    bool tell = false, incoming = false;
    connection_info info;
    {
        const std::lock_guard lock(slot.mutex);
        if (!slot.used || slot.said_closed) return;
        id = connections_table::handle_of(slot);
        tell = slot.open && !slot.told;
        if (tell) {
            slot.told = true;
            incoming = slot.incoming;
            info = slot.info;
        }
    }
    if (tell && incoming) {
        bool accepted = false;
        const bool good = call("on_connection", [&] { accepted = plugin_->on_connection(id, info); });
        if (!good) (void)disconnect(id, disconnect_mode::abort);
        if (good && !accepted) {
            refused_.fetch_add(1, std::memory_order_relaxed);
            bool wake = false;
            {
                const std::lock_guard lock(slot.mutex);
                slot.said_closed = slot.over = true; // it was never the plugin's
                slot.closing = disconnect_mode::abort;
                slot.source.halted = true;
                if (slot.io_gone) return connections.release(slot);
                wake = mark_dirty(slot);
            }
            if (wake) wake_io();
            return;
        }
    } else if (tell && !call("on_connected", [&] { plugin_->on_connected(id, info); })) {
        (void)disconnect(id, disconnect_mode::abort);
    }
    bool fetched = false;
    for (;;) {
        if (stopping) return;
        deliver_messages(slot, id);
        if (!slot.source.halted && !slot.work.empty()) {
            const auto free = slot.source.decoder.prepare(slot.work.size());
            const std::size_t n = std::min(free.size(), slot.work.size());
            std::memcpy(free.data(), slot.work.view().data(), n);
            slot.source.decoder.commit(n);
            slot.work.consume(n);
            continue;
        }
        std::optional<connection_end> end;
        bool wake = false;
        {
            const std::lock_guard lock(slot.mutex);
            if (slot.said_closed) return;
            if (slot.closing) { // what it did not want to hear any more
                slot.inbox.clear();
                slot.work.clear();
                end = slot.end;
                if (!end) return; // comes when it has ended
            } else {
                if (slot.paused) return; // `resume` goes on from here
                if (slot.next_framing) {
                    slot.source.decoder.exchange(*std::move(slot.next_framing));
                    slot.next_framing.reset();
                    continue;
                }
                if (!slot.inbox.empty()) {
                    if (fetched) { // others have their turn
                        box_.push(slot);
                        return;
                    }
                    fetched = true;
                    slot.work.swap(slot.inbox);
                    if (std::exchange(slot.reader_waits, false)) wake = mark_dirty(slot);
                } else {
                    end = slot.end;
                    if (!end) break;
                }
            }
        }
        if (wake) wake_io();
        if (!end) continue;
        return deliver_end(slot, id, *std::move(end));
    }
    note_partial(slot);
}

/// All messages that are complete, as long as the plugin wants them.
PORTUNUS_DECL void plugin_core::deliver_messages(connection_slot& slot, connection_id id) {
    while (!slot.source.stands()) {
        const decode_step step = slot.source.decoder.next();
        if (step.what == decode_step::kind::more) return;
        if (step.what == decode_step::kind::failed) return break_off(slot, slot.source.decoder.failure());
        message_batch batch(slot.source, step.frame);
        if (!call("on_messages", [&] { plugin_->on_messages(id, batch); }))
            return (void)disconnect(id, disconnect_mode::abort);
    }
}

/// The peer breaks the rules of the framing.
PORTUNUS_DECL void plugin_core::break_off(connection_slot& slot, const error& why) {
    bool wake = false;
    {
        const std::lock_guard lock(slot.mutex);
        slot.closing = disconnect_mode::abort;
        slot.source.halted = true;
        slot.inbox.clear();
        if (!slot.end || slot.end->reason == close_reason::eof)
            slot.end = connection_end{reason_of(why), why};
        wake = mark_dirty(slot);
    }
    if (wake) wake_io();
}

PORTUNUS_DECL void plugin_core::deliver_end(connection_slot& slot, connection_id id, connection_end end) {
    bool told = false, dropped = false;
    {
        const std::lock_guard lock(slot.mutex);
        dropped = slot.closing.has_value();
    }
    if (!dropped && end.reason == close_reason::eof) { // for some codecs the rest is a message, too
        while (!slot.source.stands()) {
            const decode_step step = slot.source.decoder.finish();
            if (step.what == decode_step::kind::failed) end.cause = slot.source.decoder.failure();
            if (step.what != decode_step::kind::frame) break;
            message_batch batch(slot.source, step.frame);
            if (!call("on_messages", [&] { plugin_->on_messages(id, batch); })) break;
        }
        if (stopping) return;
        const std::lock_guard lock(slot.mutex);
        if (slot.paused && !slot.closing) return; // paused by the last message but one
    }
    {
        const std::lock_guard lock(slot.mutex);
        told = slot.told || !slot.incoming; // what the plugin began it hears of
        slot.said_closed = true;
        slot.source.halted = true;
    }
    if (told) call("on_closed", [&] { plugin_->on_closed(id, end); });
    bool wake = false;
    {
        const std::lock_guard lock(slot.mutex);
        slot.over = true;
        if (slot.io_gone) return connections.release(slot);
        wake = mark_dirty(slot);
    }
    if (wake) wake_io();
}

PORTUNUS_DECL void plugin_core::note_partial(connection_slot& slot) {
    if (slot.source.decoder.buffered().empty()) {
        if (slot.partial_since.load(std::memory_order_relaxed) != 0) slot.partial_since = 0;
    } else if (slot.partial_since.load(std::memory_order_relaxed) == 0) {
        slot.partial_since = nanoseconds_now();
    }
}

PORTUNUS_DECL void plugin_core::deliver_datagrams(listener_slot& slot) {
    for (int budget = 64; budget > 0 && !stopping; --budget) {
        listener_id id;
        {
            const std::lock_guard lock(slot.mutex);
            if (!slot.used || slot.count == 0) return;
            id = listeners_table::handle_of(slot);
            std::swap(slot.work, slot.inbox[slot.first]);
            slot.first = (slot.first + 1) % slot.inbox.size();
            --slot.count;
            slot.work.about.lost_before += std::exchange(slot.dropped, 0);
        }
        slot.work.about.bytes = slot.work.bytes;
        call("on_datagram", [&] { plugin_->on_datagram(id, slot.work.about); });
    }
    box_.push(slot);
}

PORTUNUS_DECL void plugin_core::deliver_page(page_slot& slot) {
    page_id id;
    page_request request;
    {
        const std::lock_guard lock(slot.mutex);
        if (!slot.used || slot.told) return;
        slot.told = true;
        id = pages_table::handle_of(slot);
        request = std::move(slot.request);
    }
    std::optional<page_reply> answer;
    if (!call("on_page", [&] { answer = plugin_->on_page(id, request); }))
        answer = page_reply{500, "the service failed\n"};
    if (answer) (void)reply(id, *std::move(answer));
}

// --- between ---

PORTUNUS_DECL void plugin_core::mail(mail_source& source) {
    box_.push(source);
    if (on_context()) wake_io();
}

PORTUNUS_DECL void plugin_core::mail_from_io(mail_source& source) {
    box_.push(source);
    if (on_context()) drain();
}

/// With the slot's mutex held. True when the I/O context has to be woken, after the mutex was let go.
PORTUNUS_DECL bool plugin_core::mark_dirty(connection_slot& slot) {
    if (slot.dirty) return false;
    slot.dirty = true;
    {
        const std::lock_guard lock(io_mutex_);
        slot.next_dirty = nullptr;
        (first_dirty_ ? last_dirty_->next_dirty : first_dirty_) = &slot;
        last_dirty_ = &slot;
    }
    return !(on_context() && in_event()); // there it is looked at when the events are done
}

/// Posts itself into memory that the core holds, so that a wake-up allocates nothing.
struct plugin_core::wake_handler {
    template <class T>
    struct allocator {
        using value_type = T;
        explicit allocator(plugin_core* c) noexcept : core(c) {}
        template <class U>
        allocator(const allocator<U>& other) noexcept : core(other.core) {} // NOLINT: as allocators are
        T* allocate(std::size_t n) {
            if (n * sizeof(T) <= sizeof core->wake_memory_) return reinterpret_cast<T*>(core->wake_memory_);
            return static_cast<T*>(::operator new(n * sizeof(T)));
        }
        void deallocate(T* p, std::size_t) noexcept {
            if (reinterpret_cast<unsigned char*>(p) != core->wake_memory_) ::operator delete(p);
        }
        friend bool operator==(const allocator&, const allocator&) noexcept = default;
        plugin_core* core;
    };
    using allocator_type = allocator<void>;
    allocator_type get_allocator() const noexcept { return allocator_type(self.get()); }

    void operator()() const { self->awake(); }

    pointer self;
};

PORTUNUS_DECL void plugin_core::wake_io() {
    if (wake_pending_.exchange(true)) return;
    const std::lock_guard lock(gate_);
    if (gate_closed_) return;
    boost::asio::post(executor_, wake_handler{shared_from_this()});
}

PORTUNUS_DECL bool plugin_core::post_job(std::shared_ptr<plugin_job> job) {
    {
        const std::lock_guard lock(io_mutex_);
        if (torn_down_ || gone_) return false;
        jobs_.push_back(std::move(job));
    }
    wake_io();
    return true;
}

PORTUNUS_DECL bool plugin_core::post(std::function<void()> action) {
    const auto job = std::make_shared<plugin_job>();
    job->run = std::move(action);
    return post_job(job);
}

} // namespace portunus::detail

#endif
