// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_SIGPIPE_BLOCK_HPP
#define PORTUNUS_NET_DETAIL_SIGPIPE_BLOCK_HPP

#include <csignal>

namespace portunus::detail {

/// Keeps SIGPIPE from this thread while calls are made that have no MSG_NOSIGNAL: splice(2) to a socket, and
/// write(2) to a pipe. A signal that came of it is taken away before the mask is restored, so the program
/// neither dies of it nor sees it, whatever it has decided about SIGPIPE; one that was pending before stays.
/// Two system calls; not for a scope in which a coroutine waits, which might go on on another thread.
class sigpipe_block {
  public:
    sigpipe_block() noexcept;
    sigpipe_block(const sigpipe_block&) = delete;
    sigpipe_block& operator=(const sigpipe_block&) = delete;
    ~sigpipe_block();

    /// A call gave EPIPE.
    void raised() noexcept { raised_ = true; }

  private:
    static bool pending() noexcept;

    sigset_t pipe_;
    sigset_t before_;
    bool blocked_before_ = false;
    bool pending_before_ = false;
    bool raised_ = false;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/sigpipe_block.ipp>
#endif

#endif
