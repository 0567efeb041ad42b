// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_PLUGIN_CORE_HPP
#define PORTUNUS_ADAPTERS_DETAIL_PLUGIN_CORE_HPP

#include <portunus/adapters/detail/byte_block.hpp>
#include <portunus/adapters/detail/mailbox.hpp>
#include <portunus/adapters/detail/slot_table.hpp>
#include <portunus/adapters/plugin.hpp>
#include <portunus/adapters/plugin_options.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/runtime.hpp>
#include <portunus/core/task_group.hpp>
#include <portunus/framing/any_codec.hpp>
#include <portunus/framing/quiet_time_codec.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/net/tcp_listener.hpp>
#include <portunus/net/udp_socket.hpp>

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace portunus::detail {

struct plugin_stream; // the I/O context's half of a connection

/// A connection between the two sides.
struct connection_slot : slot_base, mail_source {
    connection_slot() noexcept : mail_source(kind::connection) {}

    // guarded by the slot's mutex
    byte_block inbox;
    byte_block outbox;
    std::size_t sending = 0; // bytes that were taken out of `outbox` and are on their way
    any_codec framing{raw_codec()};
    connection_info info;
    std::optional<connection_end> end;
    std::optional<disconnect_mode> closing; // the plugin wants it
    std::optional<any_codec> next_framing;  // for the decoder, set outside of an event
    bool timed_changed = false;
    bool incoming = false;
    bool open = false;        // is, or was, established
    bool told = false;        // the plugin has heard of it
    bool said_closed = false; // hears, or has heard, of its end
    bool over = false;        // and is done with it
    bool paused = false;
    bool io_gone = false;
    bool reader_waits = false;
    bool dirty = false;
    std::uint32_t begun = 0;                    // the generation that all of this is about
    std::atomic<std::int64_t> partial_since{0}; // a message is incomplete since then

    // the plugin's side
    message_source source;
    byte_block work;

    // the I/O side
    plugin_stream* io = nullptr;

    connection_slot* next_dirty = nullptr; // guarded by the core

    void begin(const std::atomic<bool>& stopping);
    void clear();
};

struct stored_datagram {
    std::string bytes;
    datagram about{};
};

struct queued_datagram {
    boost::asio::ip::udp::endpoint to;
    datagram_source from;
    std::string bytes;
};

/// A listener of any kind.
struct listener_slot : slot_base, mail_source {
    listener_slot() noexcept : mail_source(kind::datagrams) {}

    // guarded by the slot's mutex
    listening_info info;
    std::vector<stored_datagram> inbox; // a ring
    std::size_t first = 0;
    std::size_t count = 0;
    std::uint32_t dropped = 0; // since the one before
    std::deque<queued_datagram> outbox;
    bool sending = false;

    // the plugin's side
    stored_datagram work;

    // the I/O side
    std::shared_ptr<udp_socket> udp;
    std::function<void(bool now)> close; // or in good order
    std::function<void(accept_policy)> set_policy;
};

/// Somebody who waits for a page.
struct page_slot : slot_base, mail_source {
    page_slot() noexcept : mail_source(kind::page) {}

    // guarded by the slot's mutex
    page_request request;
    std::optional<page_reply> answer;
    std::function<void()> answered; // wakes who waits; from any thread
    bool told = false;
};

/// Something to be done on the I/O context.
struct plugin_job {
    enum class state : std::uint8_t { waiting, running, done, dropped };
    std::function<void()> run;
    std::exception_ptr thrown;
    state now = state::waiting; // guarded by the core
};

/// Everything of one plugin. Three sides share it: the plugin's events, the I/O context, and whoever
/// commands.
///
/// Locks, from the outside in: a slot's mutex; then one of the short ones (mailbox, dirty list, jobs). None
/// is held while the plugin, a sink of a logger or a system call runs.
class plugin_core final : public std::enable_shared_from_this<plugin_core> {
  public:
    using pointer = std::shared_ptr<plugin_core>;
    using connections_table = slot_table<connection_slot, connection_id>;
    using listeners_table = slot_table<listener_slot, listener_id>;
    using pages_table = slot_table<page_slot, page_id>;

    /// Tells a plugin that it has started; the commands are a layer above this one.
    using start_function = void (*)(plugin&, const pointer&);

    plugin_core(runtime& rt, std::shared_ptr<plugin> what, plugin_options o, start_function on_start);
    ~plugin_core();

    void start();
    void ask_to_stop();
    void wake_io(); ///< what waits for the I/O context is done soon
    result<void> stop(steady_clock::duration limit);
    bool stopped() const noexcept { return stopped_; }
    /// Whether the caller is the plugin, in one of its events.
    bool in_event() const noexcept { return running_on_.load() == std::this_thread::get_id(); }

    // commands
    result<listener_id> listen_tcp(listener_options options, any_codec framing);
    result<listener_id> listen_udp(udp_options options);
    /// For a listener of another kind; on the I/O context.
    result<listener_id> add_listener(listening_info info, std::function<void(bool)> close,
                                     std::function<void(accept_policy)> set_policy,
                                     std::shared_ptr<udp_socket> udp = {});
    result<connection_id> connect(std::string_view host, std::uint16_t port, any_codec framing,
                                  const connect_options& options);
    result<void> write(connection_id connection, std::string_view message, bool raw);
    result<void> disconnect(connection_id connection, disconnect_mode how);
    result<void> set_framing(connection_id connection, any_codec framing);
    result<void> pause(connection_id connection, bool on);
    result<void> send(listener_id from, queued_datagram out);
    result<void> stop_listening(listener_id listener);
    result<void> set_policy(listener_id listener, accept_policy policy);
    result<void> with_udp(listener_id listener, std::function<result<void>(udp_socket&)> action);
    result<void> reply(page_id page, page_reply answer);
    result<void> deliver(std::function<void()> action, bool bounded = true);
    void set_tick(steady_clock::duration interval);
    void hold(bool on);
    plugin_counters counters() const;

    /// Runs `f` on the I/O context and gives its result; see `plugin_control`.
    template <class F>
    std::invoke_result_t<F&> ask(F f);

    // for faces of other kinds
    error gone() const { return error(errc::shutting_down, "the plugin " + options.name + " has stopped"); }
    void mail(mail_source& source);         ///< from any thread
    void mail_from_io(mail_source& source); ///< on the I/O context, outside of commands
    runtime& owner() noexcept { return runtime_; }
    /// Runs `f` while the contexts stand.
    template <class F>
    void unless_gone(F f) {
        const std::lock_guard lock(gate_);
        if (!gate_closed_) f();
    }
    boost::asio::io_context::executor_type executor() const noexcept { return executor_; }

    // the runtime stops; all on the I/O context
    void begin_shutdown();
    static awaitable<bool> wind_down(pointer self, steady_clock::duration grace);
    void context_gone();

    const plugin_options options;
    connections_table connections;
    listeners_table listeners{1024};
    pages_table pages{65536};
    std::atomic<bool> stopping{false};

  private:
    struct attachment;
    struct wake_handler;
    struct tcp_door;

    void log(log_level level, const std::string& text) const {
        if (options.log.enabled(level)) options.log(level, text, {{"plugin", options.name}});
    }
    bool io_thread_here() const noexcept { return io_thread_.load() == std::this_thread::get_id(); }
    bool on_context() const noexcept { return options.runs_on == plugin_place::io_context; }

    // the plugin's side
    void run_thread();
    void drain();
    void deliver_mail(mail_source& source);
    void deliver_to_plugin(mail_source& source);
    void deliver_host();
    void deliver_connection(connection_slot& slot);
    void deliver_messages(connection_slot& slot, connection_id id);
    void break_off(connection_slot& slot, const error& why);
    void deliver_end(connection_slot& slot, connection_id id, connection_end end);
    void deliver_datagrams(listener_slot& slot);
    void deliver_page(page_slot& slot);
    void note_partial(connection_slot& slot);
    void finish();
    template <class F>
    bool call(const char* event, F f) noexcept;

    // between
    bool mark_dirty(connection_slot& slot);
    bool post_job(std::shared_ptr<plugin_job> job);
    bool post(std::function<void()> action);

    // the I/O side
    void awake();
    void run_jobs();
    void flush_dirty();
    bool pump(connection_slot& slot, plugin_stream& io);
    void begin_writer(connection_slot& slot, plugin_stream& io);
    bool hand_over(connection_slot& slot, plugin_stream& io);
    bool cut_by_time(plugin_stream& io);
    void tell_ended(connection_slot& slot, const tcp_stream& stream, const error& why);
    bool read_ended(plugin_stream& io, const result<std::size_t>& got, error& why);
    boost::asio::mutable_buffer room(plugin_stream& io);
    void take(tcp_door& door, accepted newcomer);
    void spawn(awaitable<void> body);
    void teardown();
    void sweep();
    void tick();
    void prepare_io();
    bool is_quiet() const noexcept { return attached_ == 0 && doors_ == 0; }
    bool is_torn_down() const;
    void watch_events();
    static awaitable<void> accept_all(pointer self, std::shared_ptr<tcp_door> door);
    static awaitable<void> serve(pointer self, connection_slot* slot, tcp_stream stream,
                                 steady_clock::duration idle_limit);
    static awaitable<void> open_connection(pointer self, connection_slot* slot, std::string host,
                                           std::uint16_t port, connect_options how);
    static awaitable<void> converse(pointer self, connection_slot* slot, std::shared_ptr<plugin_stream> io);
    static awaitable<void> write_rest(pointer self, connection_slot* slot, std::shared_ptr<plugin_stream> io);
    static awaitable<void> write_out(pointer self, connection_slot* slot, std::shared_ptr<plugin_stream> io);
    static awaitable<void> receive_all(pointer self, listener_slot* slot, std::shared_ptr<udp_socket> socket);
    static awaitable<void> send_all(pointer self, listener_slot* slot, std::shared_ptr<udp_socket> socket);
    bool store_datagrams(listener_slot& slot, const std::shared_ptr<udp_socket>& socket,
                         const datagram_batch& batch);

    runtime& runtime_; // only on the I/O context, and before it is gone
    const boost::asio::io_context::executor_type executor_;
    std::shared_ptr<plugin> plugin_; // the plugin's side
    const start_function on_start_;
    mailbox box_;
    std::thread thread_;
    std::atomic<std::thread::id> running_on_{};
    std::atomic<std::thread::id> io_thread_;

    // what the plugin itself is told; guarded by host_mutex_
    mail_source host_mail_{mail_source::kind::host};
    std::mutex host_mutex_;
    std::deque<std::function<void()>> functions_;
    bool start_due_ = true;
    bool tick_due_ = false;
    bool stopping_due_ = false;

    // commands that wait; guarded by io_mutex_
    mutable std::mutex io_mutex_;
    std::condition_variable io_changed_;
    std::deque<std::shared_ptr<plugin_job>> jobs_;
    connection_slot* first_dirty_ = nullptr;
    connection_slot* last_dirty_ = nullptr;
    bool torn_down_ = false;
    bool gone_ = false; // the context is

    std::atomic<bool> wake_pending_{false};
    alignas(std::max_align_t) unsigned char wake_memory_[256]; // of the one posted handler
    std::mutex gate_;                                          // between posting and the end of the context
    bool gate_closed_ = false;

    std::mutex join_mutex_;
    std::atomic<bool> stopped_{false};
    bool said_stopping_ = false; // the plugin's side

    // the I/O side
    std::optional<task_group> tasks_;
    std::optional<event> quiet_;
    std::optional<deadline> tick_;
    std::optional<deadline> sweeper_;
    steady_clock::duration tick_interval_{};
    std::size_t attached_ = 0;
    std::size_t doors_ = 0; // TCP listeners that may still accept
    bool draining_ = false;
    bool shutting_ = false;

    std::atomic<std::int64_t> event_began_{0};
    std::atomic<std::int64_t> event_reported_{0};
    std::atomic<std::uint64_t> events_{0};
    std::atomic<std::uint64_t> exceptions_{0};
    std::atomic<std::uint64_t> slow_{0};
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::uint64_t> refused_{0};
};

template <class F>
std::invoke_result_t<F&> plugin_core::ask(F f) {
    using outcome = std::invoke_result_t<F&>;
    std::optional<outcome> made;
    const auto run = [&] {
        try {
            made.emplace(f());
        } catch (const failure& e) {
            made.emplace(e.reason());
        }
    };
    if (io_thread_here()) {
        {
            const std::lock_guard lock(io_mutex_);
            if (torn_down_ || gone_) return gone();
        }
        run();
        return std::move(*made);
    }
    const auto job = std::make_shared<plugin_job>();
    job->run = run;
    if (!post_job(job)) return gone();
    std::unique_lock lock(io_mutex_);
    using state = plugin_job::state;
    io_changed_.wait_for(lock, std::chrono::seconds(10), [&] {
        return job->now == state::done || (job->now == state::waiting && (stopping || gone_));
    });
    if (job->now == state::waiting) {
        job->now = state::dropped;
        if (stopping || gone_) return gone();
        return error(errc::read_timeout, "the I/O context did not get to it within 10 s");
    }
    io_changed_.wait(lock, [&] { return job->now == state::done; });
    if (job->thrown) std::rethrow_exception(job->thrown);
    return std::move(*made);
}

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/adapters/detail/impl/plugin_core.ipp>
#endif

#endif
