// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_PIPE_POOL_HPP
#define PORTUNUS_NET_DETAIL_PIPE_POOL_HPP

#include <boost/asio/execution_context.hpp>

#include <array>
#include <cstddef>
#include <utility>

namespace portunus::detail {

/// A pipe that bytes are spliced through, with the count of those that are in it.
class splice_pipe {
  public:
    splice_pipe() = default;
    splice_pipe(splice_pipe&& o) noexcept
        : filled(std::exchange(o.filled, 0)), in_(std::exchange(o.in_, -1)), out_(std::exchange(o.out_, -1)),
          asked_(o.asked_) {}
    splice_pipe& operator=(splice_pipe&& o) noexcept;
    ~splice_pipe() { close(); }

    /// False when the system has no descriptors, or no memory, left.
    bool open(std::size_t size) noexcept;
    bool is_open() const noexcept { return in_ >= 0; }

    /// A larger or a smaller pipe; the system may say no, then it stays as it is.
    void resize(std::size_t size) noexcept;
    void close() noexcept;

    int in() const noexcept { return in_; }
    int out() const noexcept { return out_; }

    std::size_t filled = 0;

  private:
    int in_ = -1;
    int out_ = -1;
    std::size_t asked_ = 0;
};

/// Empty pipes of a context, for whichever direction has bytes to move next: making a pipe of a large size
/// costs more than moving a small message, and one that idles holds two descriptors.
class pipe_pool : public boost::asio::execution_context::service {
  public:
    using key_type = pipe_pool;
    inline static boost::asio::execution_context::id id;

    explicit pipe_pool(boost::asio::execution_context& context) : service(context) {}

    /// A pipe of about `size` bytes; one that is not open when the system has none left.
    splice_pipe take(std::size_t size) noexcept;

    /// Takes it back; only an empty one is of use to others.
    void give(splice_pipe&& pipe) noexcept {
        splice_pipe mine = std::move(pipe);
        if (mine.is_open() && mine.filled == 0 && count_ < kept_.size()) kept_[count_++] = std::move(mine);
    }

  private:
    void shutdown() override {
        for (splice_pipe& pipe : kept_) pipe.close();
        count_ = 0;
    }

    std::array<splice_pipe, 8> kept_;
    std::size_t count_ = 0;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/pipe_pool.ipp>
#endif

#endif
