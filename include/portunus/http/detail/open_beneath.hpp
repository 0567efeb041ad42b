// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_OPEN_BENEATH_HPP
#define PORTUNUS_HTTP_DETAIL_OPEN_BENEATH_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#endif

namespace portunus::http::detail {

/// Closes it.
class file_descriptor {
  public:
    file_descriptor() noexcept = default;
    explicit file_descriptor(int fd) noexcept : fd_(fd) {}
    file_descriptor(file_descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
    file_descriptor& operator=(file_descriptor&& o) noexcept {
        std::swap(fd_, o.fd_);
        return *this;
    }
    ~file_descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

/// How a path is kept beneath a directory.
enum class beneath : std::uint8_t {
    kernel,             ///< openat2 (Linux 5.6): symbolic links count, as long as they stay beneath
    kernel_no_symlinks, ///< openat2, and symbolic links are none of its files
    walk,               ///< a component at a time, for older kernels: symbolic links are none of its files
};

/// Opens a file or directory for reading. `path` is relative, its components are neither empty nor "." nor
/// "..", and there is no NUL in it; what it leads to, links included, is beneath `root` or not opened.
/// Without an answer errno tells why. A FIFO does not hold us up, a terminal does not become ours.
inline file_descriptor open_beneath(int root, const std::string& path, beneath how) {
    constexpr int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    if (how != beneath::walk) {
#if defined(SYS_openat2) && __has_include(<linux/openat2.h>)
        open_how asked{};
        asked.flags = static_cast<std::uint64_t>(flags);
        asked.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
        if (how == beneath::kernel_no_symlinks) asked.resolve |= RESOLVE_NO_SYMLINKS;
        // EAGAIN: something above it was renamed meanwhile, and the kernel will not say what it passed.
        for (int tries = 0; tries != 16; ++tries) {
            const long fd = ::syscall(SYS_openat2, root, path.c_str(), &asked, sizeof asked);
            if (fd >= 0) return file_descriptor(static_cast<int>(fd));
            if (errno != EAGAIN && errno != EINTR) break;
        }
#else
        errno = ENOSYS;
#endif
        return {};
    }
    file_descriptor held;
    int at = root;
    for (std::string_view rest = path;;) {
        const std::size_t slash = rest.find('/');
        const std::string name(rest.substr(0, slash));
        if (slash == std::string_view::npos)
            return file_descriptor(::openat(at, name.c_str(), flags | O_NOFOLLOW));
        file_descriptor next(::openat(at, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!next) return {};
        held = std::move(next);
        at = held.get();
        rest.remove_prefix(slash + 1);
    }
}

/// What this kernel can do: the old ones do not know openat2, and some sandboxes forbid it.
inline beneath best_beneath(int root, bool symlinks) {
    if (open_beneath(root, ".", beneath::kernel))
        return symlinks ? beneath::kernel : beneath::kernel_no_symlinks;
    return beneath::walk;
}

} // namespace portunus::http::detail

#endif
