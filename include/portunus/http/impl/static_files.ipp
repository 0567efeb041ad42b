// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_STATIC_FILES_IPP
#define PORTUNUS_HTTP_IMPL_STATIC_FILES_IPP

#include <portunus/http/static_files.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/error.hpp>
#include <portunus/http/content_coding.hpp>
#include <portunus/http/date.hpp>
#include <portunus/http/detail/open_beneath.hpp>
#include <portunus/http/detail/percent.hpp>
#include <portunus/http/etag.hpp>
#include <portunus/http/media_type.hpp>
#include <portunus/http/range.hpp>
#include <portunus/http/streaming.hpp>
#include <portunus/http/vary.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <random>
#include <utility>
#include <vector>

#include <sys/stat.h>

namespace portunus::http {
namespace detail {

struct static_files_state {
    static_files_options options;
    file_descriptor root;
    beneath how;
};

/// A path as it was asked for, made one that can be opened.
struct static_path {
    enum class kind : std::uint8_t { fine, malformed, nothing } what = kind::nothing;
    std::string text{};
    bool directory = false; ///< ends with a slash, or is empty
};

/// Decodes it, component by component. A component that could mean something to the system besides a name is
/// no file's.
PORTUNUS_DECL static_path read_static_path(std::string_view raw, bool hidden) {
    constexpr std::size_t longest = 4096, longest_name = 255; // of the system
    using kind = static_path::kind;
    static_path path;
    while (!raw.empty()) {
        const std::size_t slash = raw.find('/');
        std::array<char, longest_name> room;
        const auto read = percent_decode_to(raw.substr(0, slash), room.data(), room.size(), false, false);
        if (read.what == percent_reading::kind::malformed || read.what == percent_reading::kind::nul) {
            path.what = kind::malformed;
            return path;
        }
        if (read.what != percent_reading::kind::fine) return path;
        const std::string_view name(room.data(), read.size);
        const bool fine = !name.empty() && name != "." && name != ".." &&
                          (hidden || !name.starts_with('.')) && name.find('/') == std::string_view::npos;
        if (!fine || path.text.size() + name.size() + 1 >= longest) return path;
        if (!path.text.empty()) path.text += '/';
        path.text += name;
        if (slash == std::string_view::npos) {
            path.what = kind::fine;
            return path;
        }
        raw.remove_prefix(slash + 1);
    }
    path.what = kind::fine;
    path.directory = true;
    return path;
}

/// An open file and what was true of it when it was opened.
struct static_file {
    file_descriptor fd{};
    struct stat facts {};

    bool regular() const noexcept { return fd && S_ISREG(facts.st_mode); }
    bool directory() const noexcept { return fd && S_ISDIR(facts.st_mode); }
    std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(facts.st_size); }
    std::pair<std::int64_t, std::int64_t> changed() const noexcept {
        return {facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec};
    }
    /// Sixteen digits between quotes; they do not tell the inode.
    std::string tag() const {
        std::uint64_t hash = 0;
        for (const std::uint64_t part :
             {static_cast<std::uint64_t>(facts.st_dev), static_cast<std::uint64_t>(facts.st_ino), size(),
              static_cast<std::uint64_t>(facts.st_mtim.tv_sec),
              static_cast<std::uint64_t>(facts.st_mtim.tv_nsec)}) { // the finalizer of splitmix64
            hash = (hash ^ part) + 0x9e3779b97f4a7c15u;
            hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
            hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
            hash ^= hash >> 31;
        }
        std::string text = "\"";
        for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[hash >> shift & 15];
        return text += '"';
    }
};

PORTUNUS_DECL static_file open_static(const static_files_state& s, const std::string& path) {
    static_file file;
    file.fd = path.empty() ? file_descriptor() : open_beneath(s.root.get(), path, s.how);
    if (file.fd && ::fstat(file.fd.get(), &file.facts) != 0) file.fd = {};
    return file;
}

/// Reads up to `size` bytes; fewer at the end of the file, -1 on errors.
PORTUNUS_DECL std::ptrdiff_t read_at(int fd, char* to, std::size_t size, std::uint64_t offset) noexcept {
    std::size_t got = 0;
    while (got != size) {
        const auto n = ::pread(fd, to + got, size - got, static_cast<off_t>(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        got += static_cast<std::size_t>(n);
    }
    return static_cast<std::ptrdiff_t>(got);
}

/// A body that is read while it is sent: parts of a file, each with a text before it, and a text at the end.
struct file_body {
    struct part {
        std::string before;
        byte_range range;
    };
    file_descriptor fd{};
    std::vector<part> parts{};
    std::string behind{};

    static constexpr std::size_t piece = 64 * 1024;

    std::uint64_t length() const noexcept {
        std::uint64_t sum = behind.size();
        for (const part& p : parts) sum += p.before.size() + p.range.size;
        return sum;
    }

    /// All of it in memory, or false when the file has become shorter.
    bool read(std::string& all) const {
        for (const part& p : parts) {
            all.append(p.before);
            const std::size_t at = all.size();
            const auto size = static_cast<std::size_t>(p.range.size);
            all.resize(at + size);
            if (read_at(fd.get(), all.data() + at, size, p.range.first) != static_cast<std::ptrdiff_t>(size))
                return false;
        }
        all.append(behind);
        return true;
    }

    static awaitable<void> send(std::shared_ptr<const file_body> f, body_writer& to) {
        std::vector<char> room(piece);
        for (const part& p : f->parts) {
            if (!p.before.empty()) {
                auto sent = co_await to.write(p.before);
                if (!sent) co_return;
            }
            std::uint64_t at = p.range.first, left = p.range.size;
            while (left != 0) {
                const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece));
                if (read_at(f->fd.get(), room.data(), size, at) != static_cast<std::ptrdiff_t>(size))
                    throw failure(error(errc::partial_frame,
                                        "a file became shorter, or unreadable, while it was sent: " +
                                            std::to_string(left) + " bytes are missing"));
                const std::string_view bytes(room.data(), size);
                auto sent = co_await to.write(bytes);
                if (!sent) co_return;
                at += size;
                left -= size;
            }
        }
        if (f->behind.empty()) co_return;
        auto sent = co_await to.write(f->behind);
        (void)sent; // the writer knows
    }
};

/// `file_body` as the function of a stream; the file is closed with its last copy.
struct file_body_function {
    std::shared_ptr<const file_body> body;
    awaitable<void> operator()(body_writer& to) const { return file_body::send(body, to); }
};

/// What one request asks of one file.
class static_answer {
  public:
    static_answer(const request& r, const static_files_options& o, static_file file, std::string_view type,
                  std::string_view coding, bool vary)
        : request_(r), options_(o), file_(std::move(file)), type_(type), coding_(coding), vary_(vary),
          tag_(file_.tag()), now_(std::chrono::seconds(std::time(nullptr))),
          // Never later than Date (RFC 9110 8.8.2.1), which comes from the same clock: others run ahead of
          // it.
          changed_(std::min(now_, http_time(std::chrono::seconds(file_.facts.st_mtim.tv_sec)))) {}

    response make() {
        if (const auto refused = precondition()) {
            response r(*refused);
            if (*refused == status::not_modified) describe(r);
            return r;
        }
        const auto wanted = range();
        const range_request asked(wanted.value_or(""), file_.size());
        if (wanted && asked.what() == range_request::kind::unsatisfiable) {
            response r(status::range_not_satisfiable);
            r.add(field::content_range, unsatisfied_range(file_.size()));
            return r;
        }
        auto body = std::make_shared<file_body>();
        response r;
        std::string type(type_);
        if (!wanted || asked.what() == range_request::kind::whole) {
            body->parts.push_back({{}, {0, file_.size()}});
        } else {
            r.code(status::partial_content);
            if (asked.ranges().size() == 1) {
                body->parts.push_back({{}, asked.ranges().front()});
                r.add(field::content_range, content_range(asked.ranges().front(), file_.size()));
            } else {
                type = several(*body, asked.ranges());
            }
        }
        body->fd = std::move(file_.fd);
        r.add(field::content_type, type);
        if (!coding_.empty()) r.add(field::content_encoding, coding_);
        r.add(field::accept_ranges, "bytes");
        describe(r);
        return with_body(std::move(r), std::move(body));
    }

  private:
    /// What says which version of the file it is.
    void describe(response& r) const {
        r.add(field::etag, tag_).add(field::last_modified, http_date(changed_).text());
        if (!options_.cache_control.empty()) r.add(field::cache_control, options_.cache_control);
        if (vary_) add_vary(r, "Accept-Encoding");
    }

    /// In the order of RFC 9110 13.2.2; nothing when the file is to be sent.
    std::optional<status> precondition() const {
        const entity_tag tag = *entity_tag::parse(tag_);
        const auto any_of = [&](field name, auto holds) {
            for (const std::string_view value : request_.head().all(name))
                if (holds(value, tag)) return true;
            return false;
        };
        const auto date_of = [&](field name) -> std::optional<http_time> {
            const auto text = request_.find(name);
            return text ? parse_http_date(*text, now_) : std::nullopt;
        };
        if (request_.find(field::if_match)) {
            if (!any_of(field::if_match, &if_match_holds)) return status::precondition_failed;
        } else if (const auto since = date_of(field::if_unmodified_since); since && changed_ > *since) {
            return status::precondition_failed;
        }
        if (request_.find(field::if_none_match)) {
            if (any_of(field::if_none_match, &if_none_match_hits)) return status::not_modified;
        } else if (const auto since = date_of(field::if_modified_since); since && changed_ <= *since) {
            return status::not_modified;
        }
        return std::nullopt;
    }

    /// The Range that counts.
    std::optional<std::string_view> range() const {
        if (request_.method() != verb::get) return std::nullopt;
        std::optional<std::string_view> found;
        for (const std::string_view value : request_.head().all(field::range)) {
            if (found) return std::nullopt; // there is to be one
            found = value;
        }
        const auto condition = request_.find(field::if_range);
        if (!found || !condition) return found;
        if (const auto tag = entity_tag::parse(*condition))
            return !tag->weak && tag->opaque == tag_ ? found : std::nullopt;
        // A date is as good as a strong tag when nothing more can have been written in its second.
        const auto date = parse_http_date(*condition, now_);
        return date && *date == changed_ && changed_ < now_ ? found : std::nullopt;
    }

    /// multipart/byteranges (RFC 9110 14.6). Gives its media type.
    std::string several(file_body& body, std::span<const byte_range> ranges) const {
        // Nobody who writes a file can know it, so no file can pretend to be its parts.
        std::random_device random;
        std::string boundary;
        for (int i = 0; i != 4; ++i) boundary += std::to_string(random());
        for (const byte_range& each : ranges)
            body.parts.push_back({(body.parts.empty() ? "--" : "\r\n--") + boundary +
                                      "\r\nContent-Type: " + std::string(type_) +
                                      "\r\nContent-Range: " + content_range(each, file_.size()) + "\r\n\r\n",
                                  each});
        body.behind = "\r\n--" + boundary + "--\r\n";
        return "multipart/byteranges; boundary=" + boundary;
    }

    response with_body(response r, std::shared_ptr<const file_body> body) const {
        const std::uint64_t length = body->length();
        if (length <= file_body::piece && request_.method() != verb::head) {
            std::string all;
            if (!body->read(all)) return response(status::service_unavailable); // it changes just now
            r.body(std::move(all), literal());
            return r;
        }
        r.source(std::make_unique<stream_source>(file_body_function{std::move(body)}), literal(), length);
        return r;
    }

    const request& request_;
    const static_files_options& options_;
    static_file file_;
    std::string_view type_, coding_;
    bool vary_;
    std::string tag_;
    http_time now_, changed_;
};

/// The last component with a slash, relative to the path that was asked for: so no host can be made of it.
PORTUNUS_DECL response redirect_to_directory(const request& r, std::string_view raw) {
    std::string to = "./";
    to.append(raw.substr(raw.rfind('/') + 1)).append("/");
    if (!r.query().empty()) to.append("?").append(r.query());
    response moved(status::moved_permanently);
    moved.add(field::location, to);
    return moved;
}

} // namespace detail

PORTUNUS_DECL result<static_files> static_files::open(const std::string& root, static_files_options options) {
    if (options.index.find('/') != std::string::npos || options.index.find('\0') != std::string::npos)
        return error(errc::invalid_option, "index \"" + options.index + "\" is no name of a file");
    try {
        response().add(field::cache_control, options.cache_control);
    } catch (const failure& f) {
        return f.reason();
    }
    detail::file_descriptor fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd)
        return error(boost::system::error_code(errno, boost::system::system_category()),
                     "the directory \"" + root + "\"");
    const auto how = detail::best_beneath(fd.get(), options.symlinks);
    return static_files(std::make_shared<const detail::static_files_state>(
        detail::static_files_state{std::move(options), std::move(fd), how}));
}

PORTUNUS_DECL response static_files::operator()(request& r) const {
    if (r.rest().data() != nullptr) return answer(r, r.rest());
    std::string_view path = r.path();
    if (path.starts_with('/')) path.remove_prefix(1);
    return answer(r, path);
}

PORTUNUS_DECL response static_files::answer(const request& r, std::string_view raw) const {
    const static_files_options& options = state_->options;
    if (r.method() != verb::get && r.method() != verb::head)
        return std::move(response(status::method_not_allowed).add(field::allow, "GET, HEAD"));
    detail::static_path path = detail::read_static_path(raw, options.hidden);
    if (path.what == detail::static_path::kind::malformed) return response(status::bad_request);
    const auto missing = [&] {
        if (options.substitute)
            if (auto instead = options.substitute(r, path.text)) return *std::move(instead);
        return response(status::not_found);
    };
    if (path.what != detail::static_path::kind::fine) return response(status::not_found);
    if (path.directory) {
        if (options.index.empty()) return missing();
        path.text.append(path.text.empty() ? "" : "/").append(options.index);
    }
    detail::static_file file = detail::open_static(*state_, path.text);
    if (!file.fd) {
        for (const int lacking : {EMFILE, ENFILE, ENOMEM, EAGAIN, EIO})
            if (errno == lacking) return response(status::service_unavailable);
        return missing();
    }
    if (file.directory() && !path.directory) return detail::redirect_to_directory(r, raw);
    if (!file.regular()) return missing();

    const std::string_view type = content_type_of(path.text);
    std::string_view coding;
    const bool vary = options.precompressed && is_compressible(type);
    if (vary && content_codings(r.head()).prefers_gzip()) {
        detail::static_file packed = detail::open_static(*state_, path.text + ".gz");
        if (packed.regular() && packed.changed() >= file.changed()) {
            file = std::move(packed);
            coding = "gzip";
        }
    }
    return detail::static_answer(r, options, std::move(file), type, coding, vary).make();
}

} // namespace portunus::http

#endif
