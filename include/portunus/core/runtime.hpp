// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_RUNTIME_HPP
#define PORTUNUS_CORE_RUNTIME_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/result.hpp>
#include <portunus/core/task_group.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace portunus {

/// Something that a runtime stops in good order when it stops itself: a listener with its sessions, for
/// instance.
class runtime_service {
  public:
    virtual ~runtime_service() = default;

    /// Stop taking new work, finish what was accepted, cancel what is left after `grace`, join. Called once,
    /// on context 0. True when nothing had to be cut off.
    virtual awaitable<bool> stop(steady_clock::duration grace) = 0;
};

/// The place where everything runs: one single-threaded context, or several when asked for.
///
///     runtime rt;                       // one context: the program runs on one thread and needs no locks
///     rt.listen(door, &echo_lines);     // needs <portunus/net/listen.hpp>
///     return rt.run_until_signal(10s);
///
/// With `runtime rt(4)` there are four contexts, each with a thread of its own. A connection belongs to one
/// of them for life (the least loaded when it was accepted), so a session needs no locks for its own state;
/// but sessions of different contexts run at the same time, so what they share needs one.
class runtime {
  public:
    /// `contexts`: 1 to 256. The calling thread of `run` serves context 0.
    explicit runtime(unsigned contexts = 1, logger log = {});
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    /// Whatever still runs is destroyed, not finished: call `run_until_signal` or `run` for an orderly end.
    ~runtime();

    unsigned size() const noexcept { return static_cast<unsigned>(places_.size()); }
    boost::asio::io_context& context(unsigned index = 0) { return *places_[index]->context; }
    boost::asio::any_io_executor get_executor() { return context().get_executor(); }
    const logger& log() const noexcept { return log_; }

    /// Runs `task` on context 0, in the runtime's own group: at stop it is asked through `stop_token`, then
    /// cancelled after the grace. May be called before `run`, and later from context 0. False when the
    /// runtime is stopping.
    bool spawn(awaitable<void> task) { return tasks_.spawn(std::move(task)); }
    std::stop_token stop_token() const noexcept { return tasks_.stop_token(); }

    /// Opens what `options` describe and serves it with `handler` until the runtime stops. For each kind of
    /// options the header that defines them says what it means and returns (`listener_options`:
    /// <portunus/net/listen.hpp>).
    template <class Options, class Handler>
    auto listen(Options options, Handler handler) {
        return serve(*this, std::move(options), std::move(handler)); // found where Options lives
    }

    /// Runs until SIGINT or SIGTERM, then stops in good order: nothing new is accepted, what was accepted is
    /// finished, what is left after `grace` is cancelled, everything is joined. The value is for `return`
    /// from main: 0, or 1 when something had to be cut off. `request_stop` ends it too.
    ///
    /// From the first signal on the signals have their default action again, so a second one ends a program
    /// that is stuck, even when no handler of the loop can run any more.
    int run_until_signal(steady_clock::duration grace);

    /// Runs until `request_stop`, or until there is nothing left to run. The same value.
    int run();

    /// Begins the orderly stop. From any thread, any number of times; the first call's grace counts. Returns
    /// at once.
    void request_stop(steady_clock::duration grace);

    /// Whether the runtime is being destroyed: nothing can be posted to its contexts any more.
    bool going() const noexcept { return going_; }

    /// Takes part in the orderly stop. Kept until the runtime is destroyed. Thread-safe.
    void attach(std::shared_ptr<runtime_service> service);

    /// The index of the context with the fewest sessions, counting the new one there; give it back with
    /// `unload`.
    unsigned load_least();
    void unload(unsigned index) noexcept { places_[index]->load.fetch_sub(1, std::memory_order_relaxed); }
    std::size_t load(unsigned index) const noexcept {
        return places_[index]->load.load(std::memory_order_relaxed);
    }

  private:
    struct place {
        std::unique_ptr<boost::asio::io_context> context = std::make_unique<boost::asio::io_context>(1);
        std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard;
        std::atomic<std::size_t> load{0};
        std::thread thread;
        bool wanted = false; // guarded by mutex_: is not to end for want of work, as the stop needs it
        bool ended = false;  // guarded by mutex_: its thread runs nothing any more
    };

    static awaitable<void> stop_all(runtime* self, steady_clock::duration grace);
    static awaitable<void> stop_service(runtime* self, std::shared_ptr<runtime_service> service,
                                        steady_clock::duration grace);
    void begin_stop(steady_clock::duration grace);
    void start_thread(place& p);
    void revive_others();
    static void run_context(boost::asio::io_context& context, const logger& log);

    logger log_;
    std::vector<std::unique_ptr<place>> places_;
    task_group tasks_;   // the user's
    task_group stopper_; // the stop itself
    std::mutex mutex_;   // guards services_, and what places say
    std::vector<std::shared_ptr<runtime_service>> services_;
    std::atomic<unsigned> running_{0}; // contexts with a thread of their own
    std::atomic<bool> going_{false};
    bool stopping_ = false; // context 0 only
    bool stopped_ = false;  // context 0 only
    bool clean_ = true;     // context 0 only
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/core/impl/runtime.ipp>
#endif

#endif