// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_PIPE_POOL_IPP
#define PORTUNUS_NET_DETAIL_IMPL_PIPE_POOL_IPP

#include <portunus/net/detail/pipe_pool.hpp>

#include <portunus/core/detail/config.hpp>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace portunus::detail {

PORTUNUS_DECL splice_pipe& splice_pipe::operator=(splice_pipe&& o) noexcept {
    if (this != &o) {
        close();
        filled = std::exchange(o.filled, 0);
        in_ = std::exchange(o.in_, -1);
        out_ = std::exchange(o.out_, -1);
        asked_ = o.asked_;
    }
    return *this;
}

PORTUNUS_DECL bool splice_pipe::open(std::size_t size) noexcept {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    out_ = ends[0];
    in_ = ends[1];
    resize(size);
    return true;
}

PORTUNUS_DECL void splice_pipe::resize(std::size_t size) noexcept {
    if (asked_ == size) return;
    asked_ = size;
    const auto bytes = static_cast<int>(std::min<std::size_t>(size, INT_MAX));
    [[maybe_unused]] const int granted = ::fcntl(in_, F_SETPIPE_SZ, bytes);
}

PORTUNUS_DECL void splice_pipe::close() noexcept {
    if (in_ < 0) return;
    ::close(std::exchange(in_, -1));
    ::close(std::exchange(out_, -1));
    filled = 0;
}

PORTUNUS_DECL splice_pipe pipe_pool::take(std::size_t size) noexcept {
    splice_pipe pipe;
    if (count_ != 0) {
        pipe = std::move(kept_[--count_]);
        pipe.resize(size);
    } else {
        pipe.open(size);
    }
    return pipe;
}

} // namespace portunus::detail

#endif
