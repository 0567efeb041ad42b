// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_DOWNLOAD_IPP
#define PORTUNUS_HTTP_IMPL_CLIENT_DOWNLOAD_IPP

#include <portunus/http/client_download.hpp>

#include <portunus/core/detail/config.hpp>

#include <boost/asio/this_coro.hpp>

#include <cerrno>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace portunus::http {
namespace detail {

PORTUNUS_DECL error file_error(std::string_view what, std::string_view path);
PORTUNUS_DECL error file_error(std::string_view what, std::string_view path) {
    return error(boost::system::error_code(errno, boost::system::system_category()),
                 std::string(what).append(" ").append(path));
}

/// A file under another name, until it is complete.
class unfinished_file {
  public:
    explicit unfinished_file(std::string path) : path_(std::move(path)) {}
    unfinished_file(const unfinished_file&) = delete;
    unfinished_file& operator=(const unfinished_file&) = delete;
    ~unfinished_file() {
        if (fd_ < 0) return;
        ::close(fd_);
        ::unlink(name_.c_str());
    }

    result<void> open() {
        std::random_device random;
        for (int tries = 0; tries != 10; ++tries) {
            name_ = path_ + "." + std::to_string(random()) + ".part";
            fd_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
            if (fd_ >= 0) return {};
            if (errno != EEXIST) break;
        }
        return file_error("opening", name_);
    }
    int descriptor() const noexcept { return fd_; }
    result<void> finish() {
        const int fd = std::exchange(fd_, -1);
        // What the disk refuses late is told by these two.
        const bool kept = ::fsync(fd) == 0;
        const int why = errno;
        const bool closed = ::close(fd) == 0;
        if (kept && closed && ::rename(name_.c_str(), path_.c_str()) == 0) return {};
        if (!kept) errno = why;
        const error failed = file_error("finishing", path_);
        ::unlink(name_.c_str());
        return failed;
    }

  private:
    std::string path_, name_;
    int fd_ = -1;
};

PORTUNUS_DECL result<void> write_all(int fd, std::string_view bytes);
PORTUNUS_DECL result<void> write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return file_error("writing to", "the file of a download");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

PORTUNUS_DECL awaitable<result<file_transfer>> download_to(awaitable<result<exchange>> opening,
                                                           std::shared_ptr<unfinished_file> file, int fd);
PORTUNUS_DECL awaitable<result<file_transfer>> download_to(awaitable<result<exchange>> opening,
                                                           std::shared_ptr<unfinished_file> file, int fd) {
    auto opened = co_await std::move(opening);
    if (!opened) co_return opened.error();
    file_transfer done;
    done.status_code = opened->status_code();
    if (!done.ok()) co_return done;
    if (file) {
        auto ready = file->open();
        if (!ready) co_return ready.error();
        fd = file->descriptor();
    }
    for (;;) {
        auto piece = co_await opened->read_body();
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
        auto written = write_all(fd, *piece);
        if (!written) co_return written.error();
        done.bytes += piece->size();
    }
    if (file) {
        auto finished = file->finish();
        if (!finished) co_return finished.error();
    }
    co_return done;
}

/// Reads a file from its beginning, whoever else does so too.
struct file_source {
    explicit file_source(int f) noexcept : fd(f) {}
    file_source(const file_source&) = delete;
    file_source& operator=(const file_source&) = delete;
    ~file_source() { ::close(fd); }

    static awaitable<void> send(std::shared_ptr<const file_source> s, std::uint64_t size, upload_writer& to) {
        std::vector<char> piece(64 * 1024);
        while (to.written() < size) {
            const auto most = std::min<std::uint64_t>(piece.size(), size - to.written());
            const auto n = ::pread(s->fd, piece.data(), static_cast<std::size_t>(most),
                                   static_cast<off_t>(to.written()));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) co_return; // shorter than announced: the request fails
            auto sent = co_await to.write({piece.data(), static_cast<std::size_t>(n)});
            if (!sent) co_return;
        }
    }
    int fd;
};

} // namespace detail

PORTUNUS_DECL awaitable<result<file_transfer>> download(client& web, std::string_view url,
                                                        std::string_view path) {
    return download(web, client_request(verb::get, url), path);
}
PORTUNUS_DECL awaitable<result<file_transfer>> download(client& web, const client_request& r,
                                                        std::string_view path) {
    return detail::download_to(web.open(r), std::make_shared<detail::unfinished_file>(std::string(path)), -1);
}
PORTUNUS_DECL awaitable<result<file_transfer>> download(client& web, const client_request& r,
                                                        int descriptor) {
    return detail::download_to(web.open(r), nullptr, descriptor);
}

PORTUNUS_DECL result<void> body_from_file(client_request& r, std::string_view path, std::string_view type) {
    const std::string name(path);
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return detail::file_error("opening", path);
    auto source = std::make_shared<const detail::file_source>(fd);
    struct ::stat about {};
    if (::fstat(fd, &about) != 0) return detail::file_error("asking for the size of", path);
    if (!S_ISREG(about.st_mode)) return error(errc::invalid_option, name + " is no regular file");
    const auto size = static_cast<std::uint64_t>(about.st_size);
    r.body([source, size](upload_writer& to) { return detail::file_source::send(source, size, to); }, type,
           size);
    return {};
}

} // namespace portunus::http

#endif
