// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_STREAM_WATCH_HPP
#define PORTUNUS_NET_DETAIL_STREAM_WATCH_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/detail/intrusive_list.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>

#include <cstdint>
#include <limits>

namespace portunus::detail {

/// A wait on a connection that neither reads nor writes (`drain`, `wait_stalled`, `wait_urgent`), in the
/// frame of the coroutine that waits. It is told when the connection ends. The stream itself has one byte for
/// all of them, a count: they are few, and found in a list of the context.
class stream_watch : private intrusive_hook {
  public:
    using count_type = std::uint8_t;
    static constexpr count_type most = std::numeric_limits<count_type>::max();

    /// `stream` is only an identity here; `count` is its number of watches, less than `most`.
    stream_watch(const boost::asio::any_io_executor& executor, const void* stream, count_type& count);
    ~stream_watch() { --count_; }

    /// Wakes every watch of `stream`; with `cancel` they are to complete with `errc::canceled`.
    static void wake(const boost::asio::any_io_executor& executor, const void* stream, bool cancel);

    /// For a deadline whose owner is a watch: wakes it.
    static void due(void* self) { static_cast<stream_watch*>(self)->changed.notify(); }
    /// The same for the one that ends the wait.
    static void end(void* self) {
        static_cast<stream_watch*>(self)->late = true;
        due(self);
    }

    event changed;
    bool canceled = false;
    bool late = false;

  private:
    friend class intrusive_list<stream_watch>;
    const void* stream_;
    count_type& count_;
};

/// The watches of a context.
class stream_watch_list : public boost::asio::execution_context::service {
  public:
    using key_type = stream_watch_list;
    inline static boost::asio::execution_context::id id;

    explicit stream_watch_list(boost::asio::execution_context& context) : service(context) {}

    static stream_watch_list& of(const boost::asio::any_io_executor& executor) {
        return boost::asio::use_service<stream_watch_list>(
            boost::asio::query(executor, boost::asio::execution::context));
    }

    intrusive_list<stream_watch> all;

  private:
    void shutdown() override {}
};

inline stream_watch::stream_watch(const boost::asio::any_io_executor& executor, const void* stream,
                                  count_type& count)
    : changed(executor), stream_(stream), count_(count) {
    stream_watch_list::of(executor).all.push_back(*this);
    ++count_;
}

inline void stream_watch::wake(const boost::asio::any_io_executor& executor, const void* stream,
                               bool cancel) {
    auto& all = stream_watch_list::of(executor).all;
    for (stream_watch* w = all.front(); w; w = all.after(*w)) {
        if (w->stream_ != stream) continue;
        w->canceled = w->canceled || cancel;
        w->changed.notify(); // posts: nobody runs, and leaves the list, inside of this loop
    }
}

} // namespace portunus::detail

#endif
