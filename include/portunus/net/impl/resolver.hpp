// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_RESOLVER_HPP
#define PORTUNUS_NET_IMPL_RESOLVER_HPP

#include <portunus/net/resolver.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/detail/intrusive_list.hpp>
#include <portunus/net/detail/mdns_question.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <netdb.h>

namespace portunus::detail {

using resolved_addresses = std::vector<boost::asio::ip::address>;

/// Why `name` cannot be the name of a host; empty when it can. Underscores occur in names of services, and
/// bytes above 127 in names that the system converts (IDNA).
PORTUNUS_DECL std::string flaw_of_name(std::string_view name);

/// What is asked, and the answer. Plain values: it goes to a thread and comes back.
struct name_question {
    std::uint64_t id = 0;
    std::string name; // empty: the name of `address` is wanted
    boost::asio::ip::address address;
    address_family family = address_family::any;

    int failed = 0; // EAI_...
    int number = 0; // errno, with EAI_SYSTEM
    resolved_addresses found;
    std::string found_name;

    void ask();

  private:
    void ask_for_addresses();
    void ask_for_name();
};

/// The threads that ask the system for a context.
class name_service : public boost::asio::execution_context::service {
  public:
    using key_type = name_service;
    inline static boost::asio::execution_context::id id;

    static constexpr std::size_t most_threads = 8;
    static constexpr std::size_t most_waiting = 1000;

    explicit name_service(boost::asio::execution_context& context);

    static name_service& of(const boost::asio::any_io_executor& executor);

    /// Somebody who waits for an answer; lives in his coroutine's frame. Leaving is enough to be forgotten.
    class waiter : private intrusive_hook {
      public:
        explicit waiter(const boost::asio::any_io_executor& executor)
            : changed(executor), service_(name_service::of(executor)) {}
        ~waiter() { service_.forget(*this); }

        /// False when too many questions wait, or the system has no thread for us.
        bool ask(name_question q) {
            q.id = ++service_.last_id_;
            id_ = q.id;
            service_.waiters_.push_back(*this);
            return service_.shared_->take(std::move(q), service_.shared_);
        }

        event changed;
        name_question answer;
        bool done = false;

      private:
        friend class name_service;
        friend class intrusive_list<waiter>;
        name_service& service_;
        std::uint64_t id_ = 0;
    };

  private:
    /// What the threads hold. It may outlive the service, and then the context is no longer named in it.
    struct shared {
        std::mutex mutex;
        std::condition_variable more;
        std::deque<name_question> questions;
        std::size_t threads = 0;
        std::size_t idle = 0;
        boost::asio::io_context* context = nullptr;
        name_service* service = nullptr;

        bool take(name_question q, const std::shared_ptr<shared>& self) {
            const std::lock_guard lock(mutex);
            if (questions.size() >= most_waiting) return false;
            questions.push_back(std::move(q));
            if (idle >= questions.size() || threads == most_threads) {
                more.notify_one();
                return true;
            }
            try {
                std::thread(&shared::work, self).detach();
                ++threads;
            } catch (
                const std::system_error&) { // none to be had: the others will come to it, if there are any
                if (threads == 0) questions.pop_back();
                return threads != 0;
            }
            return true;
        }

        void forget(std::uint64_t which) {
            const std::lock_guard lock(mutex);
            const auto found = std::find_if(questions.begin(), questions.end(),
                                            [which](const name_question& q) { return q.id == which; });
            if (found != questions.end()) questions.erase(found);
        }

        static void work(std::shared_ptr<shared> self) {
            std::unique_lock lock(self->mutex);
            for (;;) {
                ++self->idle;
                const bool asked = self->more.wait_for(lock, std::chrono::seconds(10), [&] {
                    return !self->questions.empty() || !self->context;
                });
                --self->idle;
                if (!asked || !self->context) break;
                name_question q = std::move(self->questions.front());
                self->questions.pop_front();
                lock.unlock();
                try {
                    q.ask();
                } catch (const std::exception&) { // no memory for the answer
                    q.failed = EAI_MEMORY;
                }
                lock.lock();
                if (!self->context) break;
                try {
                    boost::asio::post(*self->context, [service = self->service, q = std::move(q)]() mutable {
                        service->answered(std::move(q));
                    });
                } catch (const std::exception&) { // no memory for that either: whoever asked meets his limit
                }
            }
            --self->threads;
        }
    };

    void answered(name_question q);

    void forget(waiter& w);

    void shutdown() override;

    std::shared_ptr<shared> shared_;
    intrusive_list<waiter> waiters_;
    std::uint64_t last_id_ = 0;
};

PORTUNUS_DECL awaitable<result<name_question>> ask(name_question question, steady_clock::duration limit);

PORTUNUS_DECL awaitable<result<resolved_addresses>> resolve_addresses(std::string name,
                                                                      resolve_options options);

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/resolver.ipp>
#endif

#endif
