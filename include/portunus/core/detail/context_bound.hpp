// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_DETAIL_CONTEXT_BOUND_HPP
#define PORTUNUS_CORE_DETAIL_CONTEXT_BOUND_HPP

#include <portunus/core/detail/intrusive_list.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

namespace portunus::detail {

/// State that holds Asio objects and may outlive their context, because a user's handle keeps it alive: it is
/// told to let them go when the context shuts down. Without this the destructor of a handle that was declared
/// before the context would touch services that are gone.
class context_bound : private intrusive_hook {
  public:
    context_bound(const context_bound&) = delete;
    context_bound& operator=(const context_bound&) = delete;

  protected:
    explicit context_bound(boost::asio::execution_context& context);
    explicit context_bound(const boost::asio::any_io_executor& executor)
        : context_bound(boost::asio::query(executor, boost::asio::execution::context)) {}
    ~context_bound() = default;

  private:
    friend class context_registry;
    friend class intrusive_list<context_bound>;
    /// Destroy every Asio object now; the context is about to go.
    virtual void release_context() noexcept = 0;
};

class context_registry : public boost::asio::execution_context::service {
  public:
    using key_type = context_registry;
    inline static boost::asio::execution_context::id id;

    explicit context_registry(boost::asio::execution_context& context) : service(context) {}

  private:
    friend class context_bound;
    void shutdown() override {
        while (context_bound* object = objects_.pop_front()) object->release_context();
    }
    intrusive_list<context_bound> objects_;
};

inline context_bound::context_bound(boost::asio::execution_context& context) {
    boost::asio::use_service<context_registry>(context).objects_.push_back(*this);
}

} // namespace portunus::detail

#endif
