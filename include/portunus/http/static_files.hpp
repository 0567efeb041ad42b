// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_STATIC_FILES_HPP
#define PORTUNUS_HTTP_STATIC_FILES_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/request.hpp>
#include <portunus/http/response.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace portunus::http {

namespace detail {
struct static_files_state;
}

/// It owns things: give it a name first.
struct static_files_options {
    /// What a path that ends with a slash stands for. Empty: such a path is not found. Directories are never
    /// listed.
    std::string index = "index.html";
    /// The Cache-Control of every file. As it is, a browser asks each time whether its copy is still good,
    /// which costs a 304 without a body. Empty: none is sent.
    std::string cache_control = "no-cache";
    /// Whether names that begin with a dot are served.
    bool hidden = false;
    /// Whether symbolic links are followed, as far as they stay beneath the root; an absolute one never does.
    /// A kernel older than 5.6 follows none.
    bool symlinks = true;
    /// `page.html.gz` instead of `page.html` for whoever would rather have gzip, where it is there and not
    /// older; for types that `is_compressible`.
    bool precompressed = true;
    /// Asked for a file that is missing, with its decoded path: a page that is generated under that name,
    /// say. Nothing: 404. Semantics row T-42, urlsubstitutes.
    std::function<std::optional<response>(const request&, std::string_view path)> substitute{};
};

/// Serves the files beneath a directory: a plain handler for a route that ends with '*', or for a whole
/// server.
///
///     routes.add(verb::get, "/files/*", static_files("/srv/www"));
///
/// **What it serves.** Regular files that this process may read and that are beneath the root, whatever the
/// path says: "..", encoded or not, an encoded slash, a link that leads out and a directory that is moved
/// meanwhile are all 404 (the kernel resolves with RESOLVE_BENEATH; where it cannot, each component is opened
/// by itself and no link followed). What cannot be opened is 404 for every reason but lack of resources: 503.
/// A directory without its slash is redirected (301) to the path with one. Copies are the same files. The
/// root stays open; who replaces the directory itself makes a new object.
///
/// **Conditions and parts** (RFC 9110 13 and 14). A file has a strong ETag, from its inode, size and time of
/// change in nanoseconds, and Last-Modified. If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since
/// and If-Range are kept to. One range gives 206 with Content-Range; 2 to 16 that ascend and do not overlap,
/// multipart/byteranges; others the whole file, and what lies behind its end 416. Files that are replaced by
/// `rename` are never seen half; one that is written in place within one tick of the file system's clock
/// (some ms) after it was read may keep its ETag.
///
/// **Sending.** Up to 64 KiB go out with the head, more in pieces of 64 KiB, as the client takes them. A file
/// that becomes shorter meanwhile breaks the connection, so that nobody takes the half for the whole. Opening
/// and reading block the connection's context: for files on a disk that is there, and in the cache; not for
/// those on a network.
///
/// Content types go by the extension (`content_type_of`). Methods other than GET and HEAD give 405.
class static_files {
  public:
    /// Throws `failure` where `open` returns the error.
    explicit static_files(const std::string& root, static_files_options options = {})
        : static_files(open(root, std::move(options)).value()) {}

    /// The system's error, with the path, where the directory cannot be opened; `errc::invalid_option` for an
    /// index with a slash, or a Cache-Control that is none.
    static result<static_files> open(const std::string& root, static_files_options options = {});

    /// Answers with what stands for the '*' of the route; with the request's whole path where there is no
    /// route with a '*'.
    response operator()(request& r) const;

    /// Answers with the file of this path: relative, in percent-encoding, as `request::rest` is.
    response answer(const request& r, std::string_view path) const;

  private:
    explicit static_files(std::shared_ptr<const detail::static_files_state> s) noexcept
        : state_(std::move(s)) {}
    std::shared_ptr<const detail::static_files_state> state_;
};

} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/static_files.ipp>
#endif

#endif
