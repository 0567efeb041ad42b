// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_IMPL_RUNTIME_IPP
#define PORTUNUS_CORE_IMPL_RUNTIME_IPP

#include <portunus/core/runtime.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/task_group.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

namespace portunus {
namespace detail {

/// Turns the first SIGINT or SIGTERM into a readable descriptor and gives both signals back their default
/// action in the handler itself. Asio's signal_set does that only when its handler runs, and a stuck loop
/// runs no handlers.
class termination_signals {
  public:
    termination_signals() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (fd_ < 0)
            throw failure(
                error(boost::system::error_code(errno, boost::system::system_category()), "eventfd"));
        wake_descriptor().store(fd_);
        struct sigaction action = {};
        action.sa_handler = &termination_signals::on_signal;
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_RESTART;
        for (int i = 0; i < 2; ++i) {
            ::sigaction(numbers[i], nullptr, &before_[i]);
            // A program started with the signal ignored (nohup, a shell's background job) keeps ignoring it.
            taken(i) = before_[i].sa_handler != SIG_IGN;
            if (taken(i)) ::sigaction(numbers[i], &action, nullptr);
        }
    }
    termination_signals(const termination_signals&) = delete;
    termination_signals& operator=(const termination_signals&) = delete;
    ~termination_signals() {
        for (int i = 0; i < 2; ++i) ::sigaction(numbers[i], &before_[i], nullptr);
        wake_descriptor().store(-1);
        ::close(fd_);
    }

    int descriptor() const noexcept { return fd_; }

  private:
    static constexpr int numbers[2] = {SIGINT, SIGTERM};

    // A signal handler has nothing but statics to go by.
    static std::atomic<int>& wake_descriptor() noexcept {
        static std::atomic<int> descriptor{-1};
        return descriptor;
    }

    static std::atomic<bool>& taken(int i) noexcept {
        static std::atomic<bool> flags[2];
        return flags[i];
    }

    static void on_signal(int) {
        const int saved = errno;
        struct sigaction action = {};
        action.sa_handler = SIG_DFL;
        sigemptyset(&action.sa_mask);
        for (int i = 0; i < 2; ++i)
            if (taken(i)) ::sigaction(numbers[i], &action, nullptr);
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(wake_descriptor().load(), &one, sizeof one);
        errno = saved;
    }

    int fd_;
    struct sigaction before_[2];
};

} // namespace detail

PORTUNUS_DECL runtime::runtime(unsigned contexts, logger log)
    : log_(std::move(log)), places_([contexts] {
          if (contexts < 1 || contexts > 256)
              throw failure(error(errc::invalid_option, "runtime with " + std::to_string(contexts) +
                                                            " contexts: 1 to 256 are possible"));
          std::vector<std::unique_ptr<place>> places;
          for (unsigned i = 0; i < contexts; ++i) places.push_back(std::make_unique<place>());
          return places;
      }()),
      tasks_(get_executor(), log_), stopper_(get_executor(), log_) {}

PORTUNUS_DECL runtime::~runtime() {
    going_ = true;
    for (auto& p : places_) p->context->stop();
    for (auto& p : places_)
        if (p->thread.joinable()) p->thread.join();
    // Contexts first: the frames that they destroy may still use the services, never the other way round.
    for (auto& p : places_) p->guard.reset();
    for (auto& p : places_) p->context.reset();
}

PORTUNUS_DECL void runtime::attach(std::shared_ptr<runtime_service> service) {
    const std::lock_guard lock(mutex_);
    services_.push_back(std::move(service));
}

PORTUNUS_DECL unsigned runtime::load_least() {
    unsigned best = 0;
    for (unsigned i = 1; i < size(); ++i)
        if (load(i) < load(best)) best = i;
    places_[best]->load.fetch_add(1, std::memory_order_relaxed);
    return best;
}

PORTUNUS_DECL void runtime::request_stop(steady_clock::duration grace) {
    boost::asio::post(context(), [this, grace] { begin_stop(grace); });
}

PORTUNUS_DECL void runtime::begin_stop(steady_clock::duration grace) {
    if (stopping_) return;
    stopping_ = true;
    revive_others();
    tasks_.request_stop(); // nothing new from now on
    stopper_.spawn(stop_all(this, grace));
}

PORTUNUS_DECL awaitable<void> runtime::stop_service(runtime* self, std::shared_ptr<runtime_service> service,
                                                    steady_clock::duration grace) {
    const bool clean =
        co_await service->stop(grace); // named: g++ 12 miscompiles the await inside the condition
    if (!clean) self->clean_ = false;
}

PORTUNUS_DECL awaitable<void> runtime::stop_all(runtime* self, steady_clock::duration grace) {
    task_group parts(self->get_executor(), self->log_);
    {
        const std::lock_guard lock(self->mutex_);
        for (auto& service : self->services_) parts.spawn(stop_service(self, service, grace));
    }
    const auto ended = co_await self->tasks_.stop(grace);
    if (!ended || !ended.value()) self->clean_ = false;
    (void)co_await parts.join();
    const std::lock_guard lock(self->mutex_);
    for (auto& p : self->places_) {
        p->wanted = false;
        p->guard.reset();
        p->context->stop();
    }
    self->stopped_ = true;
}

PORTUNUS_DECL void runtime::run_context(boost::asio::io_context& context, const logger& log) {
    for (;;) {
        try {
            context.run();
            return;
        } catch (...) { // sessions and tasks end theirs; this came out of a plain handler of the program
            log(log_level::error,
                "an exception left a handler: " + detail::text_of(std::current_exception()));
        }
    }
}

PORTUNUS_DECL void runtime::start_thread(place& p) {
    ++running_;
    p.thread = std::thread([this, &p] {
        for (;;) {
            run_context(*p.context, log_);
            const std::lock_guard lock(mutex_);
            p.ended = !p.wanted;
            if (p.ended) break;
            p.context->restart(); // it ran out of work at the moment when the stop began
        }
        if (--running_ == 0) boost::asio::post(context(), [this] { places_[0]->guard.reset(); });
    });
}

/// The stop has work for every context, also for those that have run out of it and whose threads have ended.
PORTUNUS_DECL void runtime::revive_others() {
    for (unsigned i = 1; i < size(); ++i) {
        place& p = *places_[i];
        bool ended = false;
        {
            const std::lock_guard lock(mutex_);
            if (!p.thread.joinable()) continue; // run() has not come so far
            p.wanted = true;
            ended = p.ended;
            if (!ended && !p.guard) p.guard.emplace(p.context->get_executor());
        }
        if (!ended) continue;
        p.thread.join();
        p.context->restart();
        p.guard.emplace(p.context->get_executor());
        p.ended = false;
        start_thread(p);
    }
}

PORTUNUS_DECL int runtime::run() {
    for (unsigned i = 1; i < size(); ++i) {
        place& p = *places_[i];
        p.guard.emplace(p.context->get_executor());
        start_thread(p);
    }
    run_context(context(), log_);
    if (!stopped_ && size() > 1) {
        // Nothing left to do here: the others finish, and context 0 stays within reach of request_stop until
        // they have.
        places_[0]->guard.emplace(context().get_executor());
        for (unsigned i = 1; i < size(); ++i) places_[i]->guard.reset();
        context().restart();
        run_context(context(), log_);
    }
    for (unsigned i = 1; i < size(); ++i) {
        places_[i]->guard.reset();
        places_[i]->thread.join();
    }
    return clean_ ? 0 : 1;
}

PORTUNUS_DECL int runtime::run_until_signal(steady_clock::duration grace) {
    detail::termination_signals signals;
    boost::asio::posix::stream_descriptor wake(context(), ::dup(signals.descriptor()));
    wake.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this, grace](const boost::system::error_code& ec) {
                        if (ec) return;
                        log_(log_level::info, "a signal asks to stop");
                        begin_stop(grace);
                    });
    return run();
}

} // namespace portunus

#endif
