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

// --- slots
// --------------------------------------------------------------------------------------------------

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

// --- beginning and end
// --------------------------------------------------------------------------------------

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

// --- the plugin's side
// --------------------------------------------------------------------------------------

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

// --- between
// ------------------------------------------------------------------------------------------------

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
        if (torn_down_ || gone_ || stopped_) return false;
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

// --- the I/O side
// -------------------------------------------------------------------------------------------

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

// --- connections
// --------------------------------------------------------------------------------------------

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

// --- datagrams
// ----------------------------------------------------------------------------------------------

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
