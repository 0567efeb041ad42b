// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_INHERITED_SOCKETS_HPP
#define PORTUNUS_NET_IMPL_INHERITED_SOCKETS_HPP

#include <portunus/net/inherited_sockets.hpp>

#include <portunus/core/detail/config.hpp>

#include <atomic>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace portunus {
namespace detail {

struct inherited_state {
    inherited_state(int fd, std::string n) : descriptor(fd), name(std::move(n)) {}
    inherited_state(const inherited_state&) = delete;
    inherited_state& operator=(const inherited_state&) = delete;
    ~inherited_state() {
        const int fd = descriptor.exchange(-1);
        if (fd >= 0) ::close(fd);
    }

    std::atomic<int> descriptor;
    std::string name;
    inherited_kind kind = inherited_kind::no_socket;
    std::optional<boost::asio::ip::tcp::endpoint> endpoint;
    std::string local;
};

struct inherited_access {
    static inherited_socket make(std::shared_ptr<inherited_state> state) {
        inherited_socket s;
        s.state_ = std::move(state);
        return s;
    }
    /// Gives a descriptor back that was released, where it could not be used after all.
    static void put_back(const inherited_socket& s, int fd) noexcept { s.state_->descriptor.store(fd); }
};

/// What the three variables say; the texts are null where a variable is not set.
struct listen_variables {
    const char* pid = nullptr;
    const char* count = nullptr;
    const char* names = nullptr;
};

/// The names of the descriptors that are meant for the process `own`, in their order; none where the
/// variables are for nobody, or for somebody else.
PORTUNUS_DECL result<std::vector<std::string>> names_of_inherited(const listen_variables& v, long own);

/// Takes the descriptors from `first` on: all of them, or none.
PORTUNUS_DECL result<std::vector<inherited_socket>> take_inherited(const listen_variables& v, long own,
                                                                   int first);

} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/inherited_sockets.ipp>
#endif

#endif
