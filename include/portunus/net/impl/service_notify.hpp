// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_SERVICE_NOTIFY_HPP
#define PORTUNUS_NET_IMPL_SERVICE_NOTIFY_HPP

#include <portunus/net/service_notify.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/task_group.hpp>

#include <atomic>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace portunus::detail {

/// What the three variables say; the texts are null where a variable is not set.
struct notify_variables {
    const char* socket = nullptr;
    const char* watchdog_usec = nullptr;
    const char* watchdog_pid = nullptr;
};

struct notifier_state {
    notifier_state() = default;
    notifier_state(const notifier_state&) = delete;
    notifier_state& operator=(const notifier_state&) = delete;
    ~notifier_state() {
        if (descriptor >= 0) ::close(descriptor);
    }

    /// The notifier that the variables ask for, in the process `own`.
    static result<service_notifier> make(const notify_variables& v, long own);

    std::string name; // of the socket, as it was given
    sockaddr_un address{};
    socklen_t address_size = 0;
    int descriptor = -1;
    steady_clock::duration watchdog{}; // zero: none
};

/// Tells the manager about a runtime. Its members belong to context 0.
class service_follower final : public runtime_service, public std::enable_shared_from_this<service_follower> {
  public:
    service_follower(runtime& rt, service_notifier to)
        : runtime_(rt), manager_(std::move(to)), tasks_(rt.get_executor(), rt.log()),
          changed_(rt.get_executor()) {}

    void begin();
    awaitable<bool> stop(steady_clock::duration grace) override { return end(shared_from_this(), grace); }

  private:
    static awaitable<bool> end(std::shared_ptr<service_follower> self, steady_clock::duration grace);
    static awaitable<void> show_life(std::shared_ptr<service_follower> self);
    /// One sign of life, if all contexts have gone round since the last one.
    void beat();
    void sent(const result<void>& outcome, const char* what);

    runtime& runtime_;
    service_notifier manager_;
    task_group tasks_;
    event changed_;
    std::atomic<unsigned> unanswered_{0}; // contexts that have not gone round yet
    bool due_ = false;
    bool ending_ = false;
    bool failing_ = false;
    bool stuck_ = false;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/service_notify.ipp>
#endif

#endif
