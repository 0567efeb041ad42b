// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_GZIP_HPP
#define PORTUNUS_HTTP_IMPL_GZIP_HPP

#include <portunus/http/gzip.hpp>

#include <algorithm>
#include <limits>
#include <new>

#include <zlib.h>

namespace portunus::http {

namespace detail {

inline void deflate_end::operator()(z_stream_s* z) const noexcept {
    ::deflateEnd(z);
    delete z;
}
inline void inflate_end::operator()(z_stream_s* z) const noexcept {
    ::inflateEnd(z);
    delete z;
}

/// As much as zlib can count at once.
inline uInt portion(std::size_t n) noexcept {
    return static_cast<uInt>(std::min<std::size_t>(n, std::numeric_limits<uInt>::max()));
}
/// zlib reads through this pointer only, and wants no const.
inline Bytef* zlib_bytes(const char* p) noexcept {
    return reinterpret_cast<Bytef*>(const_cast<char*>(p));
}
/// What is added to the window's bits for a header of gzip instead of zlib's.
inline int window_of(compression form, int bits) noexcept {
    return form == compression::gzip ? bits + 16 : bits;
}

} // namespace detail

inline gzip_encoder::gzip_encoder(gzip_options options) : options_(options) {
    const auto within = [](int value, int least, int most, const char* name) {
        if (value >= least && value <= most) return;
        throw failure(error(errc::invalid_option, std::string(name) + " " + std::to_string(value) +
                                                      ": it has to be from " + std::to_string(least) +
                                                      " to " + std::to_string(most)));
    };
    within(options.level, 1, 9, "gzip level");
    within(options.window_bits, 9, 15, "gzip window_bits");
    within(options.memory, 1, 9, "gzip memory");
}

inline void gzip_encoder::run(std::string_view bytes, std::string& out, step what) {
    if (finished_)
        throw failure(error(errc::invalid_option, "the compressed text has ended; reset() begins another"));
    if (!z_) {
        auto fresh = std::make_unique<z_stream>();
        if (::deflateInit2(fresh.get(), options_.level, Z_DEFLATED,
                           detail::window_of(options_.form, options_.window_bits), options_.memory,
                           Z_DEFAULT_STRATEGY) != Z_OK)
            throw std::bad_alloc();
        z_.reset(fresh.release());
    }
    constexpr std::size_t room = 16 * 1024;
    do {
        z_->next_in = detail::zlib_bytes(bytes.data());
        z_->avail_in = detail::portion(bytes.size());
        const std::size_t given = z_->avail_in;
        const bool last = given == bytes.size();
        const int mode = !last                  ? Z_NO_FLUSH
                         : what == step::finish ? Z_FINISH
                         : what == step::flush  ? Z_SYNC_FLUSH
                                                : Z_NO_FLUSH;
        do {
            const std::size_t size = out.size();
            out.resize(size + room);
            z_->next_out = detail::zlib_bytes(out.data() + size);
            z_->avail_out = static_cast<uInt>(room);
            const int said = ::deflate(z_.get(), mode);
            out.resize(size + room - z_->avail_out);
            if (said == Z_STREAM_END) finished_ = true;
            // Z_BUF_ERROR: there was nothing to do, as with a flush behind a flush.
        } while (z_->avail_out == 0 && !finished_);
        bytes.remove_prefix(given);
    } while (!bytes.empty());
}

inline void gzip_encoder::reset() {
    finished_ = false;
    if (z_) ::deflateReset(z_.get());
}

inline void gzip_decoder::open() {
    if (!z_) {
        auto fresh = std::make_unique<z_stream>();
        if (::inflateInit2(fresh.get(), detail::window_of(form_, 15)) != Z_OK) throw std::bad_alloc();
        z_.reset(fresh.release());
    } else {
        ::inflateReset(z_.get());
    }
    began_ = true;
}

inline error gzip_decoder::fail(errc what, std::string detail) {
    failed_.emplace(what, std::move(detail));
    return *failed_;
}

inline result<gunzip_step> gzip_decoder::next(std::string_view bytes, std::span<char> out) {
    if (failed_) return *failed_;
    gunzip_step done;
    while (done.produced != out.size()) {
        const bool there = done.consumed != bytes.size();
        if (!inside_) {
            if (!there) break;
            if (any_ended_ && form_ == compression::deflate)
                return fail(errc::malformed_frame,
                            "bytes behind the end of the compressed text, at " + std::to_string(consumed_));
            if (!began_) open();
            inside_ = true;
        }
        // One more than is allowed, to see that there is more; and up to the next look at the ratio.
        const std::uint64_t allowed = limits_.max_decoded - decoded_;
        const std::uint64_t to_check = between_checks - decoded_ % between_checks;
        std::size_t room = std::min(out.size() - done.produced, std::size_t{between_checks});
        room = static_cast<std::size_t>(std::min<std::uint64_t>(room, to_check));
        char beyond = 0;
        const bool full = allowed == 0;
        if (!full) room = static_cast<std::size_t>(std::min<std::uint64_t>(room, allowed));
        z_->next_out = detail::zlib_bytes(full ? &beyond : out.data() + done.produced);
        z_->avail_out = full ? 1 : static_cast<uInt>(room);
        z_->next_in = detail::zlib_bytes(bytes.data() + done.consumed);
        z_->avail_in = detail::portion(bytes.size() - done.consumed);
        const std::size_t in_before = z_->avail_in, out_before = z_->avail_out;
        const int said = ::inflate(z_.get(), Z_NO_FLUSH);
        const std::size_t read = in_before - z_->avail_in, written = out_before - z_->avail_out;
        done.consumed += read;
        consumed_ += read;
        if (full && written != 0)
            return fail(errc::frame_too_large, "what " + std::to_string(consumed_) +
                                                   " compressed bytes unfold to exceeds " +
                                                   std::to_string(limits_.max_decoded) + " bytes");
        done.produced += written;
        decoded_ += written;
        if (written != 0 && decoded_ % between_checks == 0 && limits_.max_ratio != 0 &&
            decoded_ >= limits_.ratio_from && decoded_ / limits_.max_ratio > consumed_)
            return fail(errc::frame_too_large, std::to_string(consumed_) + " compressed bytes unfold to " +
                                                   std::to_string(decoded_) + ": more than " +
                                                   std::to_string(limits_.max_ratio) + " for one");
        if (said == Z_STREAM_END) {
            inside_ = began_ = false;
            any_ended_ = true;
            continue;
        }
        if (said == Z_MEM_ERROR) throw std::bad_alloc();
        if (said != Z_OK && said != Z_BUF_ERROR) {
            const char* const why = said == Z_NEED_DICT ? "a dictionary is needed" : z_->msg;
            return fail(errc::malformed_frame, std::string("compressed text: ") +
                                                   (why == nullptr ? "malformed" : why) + ", near byte " +
                                                   std::to_string(consumed_));
        }
        if (read == 0 && written == 0) break; // zlib wants bytes
    }
    return done;
}

inline result<void> gzip_decoder::write(std::string_view bytes, std::string& out) {
    for (;;) {
        const std::size_t size = out.size();
        const std::size_t room = std::clamp<std::size_t>(bytes.size() * 4, 512, between_checks);
        out.resize(size + room);
        const auto step = next(bytes, {out.data() + size, room});
        out.resize(size + (step ? step->produced : 0));
        if (!step) return step.error();
        bytes.remove_prefix(step->consumed);
        if (bytes.empty() && step->produced != room) return {};
    }
}

inline result<void> gzip_decoder::finish() {
    if (failed_) return *failed_;
    if (inside_)
        return fail(errc::partial_frame, "the compressed text ends after " + std::to_string(consumed_) +
                                             " bytes, before its own end");
    return {};
}

inline void gzip_decoder::reset() noexcept {
    failed_.reset();
    consumed_ = decoded_ = 0;
    inside_ = began_ = any_ended_ = false;
}

} // namespace portunus::http

#endif
