// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_SIGPIPE_BLOCK_IPP
#define PORTUNUS_NET_DETAIL_IMPL_SIGPIPE_BLOCK_IPP

#include <portunus/net/detail/sigpipe_block.hpp>

#include <portunus/core/detail/config.hpp>

#include <cerrno>
#include <csignal>
#include <ctime>

#include <pthread.h>

namespace portunus::detail {

PORTUNUS_DECL sigpipe_block::sigpipe_block() noexcept {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    blocked_before_ = sigismember(&before_, SIGPIPE) == 1;
    if (blocked_before_) pending_before_ = pending();
}

PORTUNUS_DECL sigpipe_block::~sigpipe_block() {
    if (raised_ && !pending_before_) {
        const timespec at_once = {};
        while (pending() && ::sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
        }
    }
    if (!blocked_before_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

PORTUNUS_DECL bool sigpipe_block::pending() noexcept {
    sigset_t all;
    sigemptyset(&all);
    ::sigpending(&all);
    return sigismember(&all, SIGPIPE) == 1;
}

} // namespace portunus::detail

#endif
