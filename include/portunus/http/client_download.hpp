// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CLIENT_DOWNLOAD_HPP
#define PORTUNUS_HTTP_CLIENT_DOWNLOAD_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/client.hpp>

#include <cstdint>
#include <string_view>

namespace portunus::http {

/// What a transfer between a server and a file came to.
struct file_transfer {
    unsigned status_code = 0;
    std::uint64_t bytes = 0; ///< written
    bool ok() const noexcept { return status_code / 100 == 2; }
};

/// Gets a URL into a file (semantics row Q-22, Download): into a new one beside it first, which takes its
/// name when all has come. So the file is whole or as it was. A status that is not 2xx writes nothing and is
/// no error.
///
/// Errors: those of `client::open` and `exchange::read_body`, and the system's code for the file, with its
/// path. After an error or a cancellation nothing is left. The size is bounded by `max_streamed_body`.
/// Writing to the disk blocks the context, as the system has no other way for files; the rights are those
/// that a new file has (0666 without the umask).
PORTUNUS_DECL awaitable<result<file_transfer>> download(client& web, std::string_view url,
                                                        std::string_view path);
PORTUNUS_DECL awaitable<result<file_transfer>> download(client& web, const client_request& r,
                                                        std::string_view path);
/// The same into a descriptor, which stays open; what has come before an error is in it.
PORTUNUS_DECL awaitable<result<file_transfer>> download(client& web, const client_request& r, int descriptor);

/// Lets the request have a file's content as its body, with the length that the file has now (row Q-22,
/// Upload). The file is opened now and read while it is sent, anew each time; one that has become shorter
/// then fails the request. The system's code, with the path.
PORTUNUS_DECL result<void> body_from_file(client_request& r, std::string_view path, std::string_view type);

} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/client_download.ipp>
#endif

#endif
