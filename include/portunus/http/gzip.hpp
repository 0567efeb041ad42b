// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_GZIP_HPP
#define PORTUNUS_HTTP_GZIP_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct z_stream_s;

/// \file
/// The codings "gzip" (RFC 1952) and "deflate" (RFC 1950), piece by piece. zlib does the work: link
/// `portunus::gzip`. Pure: bytes in, bytes out. `portunus.hpp` does not bring it.

namespace portunus::http {

/// "deflate" is zlib's form (RFC 9110 8.4.1.2); the raw one that some old servers send under that name is
/// malformed here.
enum class compression : std::uint8_t { gzip, deflate };

namespace detail {
struct deflate_end {
    void operator()(z_stream_s* z) const noexcept;
};
struct inflate_end {
    void operator()(z_stream_s* z) const noexcept;
};
} // namespace detail

struct gzip_options {
    compression form = compression::gzip;
    int level = 6;        ///< 1 (fast) to 9 (small)
    int window_bits = 15; ///< 9 to 15: how far back repetitions are found, as a power of two
    int memory = 8;       ///< 1 to 9; an encoder takes 2^(window_bits + 2) + 2^(memory + 9) bytes: 256 KiB
};

/// Compresses. Its memory is taken when the first byte comes, and kept over `reset`.
///
///     gzip_encoder coding;
///     std::string body;
///     coding.write("<html>", body);
///     coding.write("...", body);
///     coding.finish(body);
///
/// What it appends is bounded by what it is given, as input that cannot be compressed grows by a few bytes in
/// 16 KiB: give it pieces. Throws `failure` (`errc::invalid_option`) for options out of their range, and
/// `std::bad_alloc`.
class gzip_encoder {
  public:
    explicit gzip_encoder(gzip_options options = {});

    /// Takes all of `bytes`, and appends to `out` what has become ready, often nothing.
    void write(std::string_view bytes, std::string& out) { run(bytes, out, step::take); }
    /// Appends what is needed for everything written so far to be read, at the price of some bytes.
    void flush(std::string& out) { run({}, out, step::flush); }
    /// Appends the end. Nothing may be written then until `reset`: `errc::invalid_option`, thrown.
    void finish(std::string& out) { run({}, out, step::finish); }
    bool finished() const noexcept { return finished_; }
    /// Begins anew, in the same memory.
    void reset();

  private:
    enum class step : std::uint8_t { take, flush, finish };
    void run(std::string_view bytes, std::string& out, step what);

    gzip_options options_;
    std::unique_ptr<z_stream_s, detail::deflate_end> z_;
    bool finished_ = false;
};

/// How much may come out of how little. A deflated byte gives up to 1032; text gives 3 to 30.
struct gunzip_limits {
    std::uint64_t max_decoded = 16 * 1024 * 1024; ///< bytes
    std::uint32_t max_ratio = 200;                ///< bytes out for each byte in, headers included; 0: any
    std::uint64_t ratio_from = 1024 * 1024;       ///< bytes out from which on the ratio counts
};

/// What one step has done.
struct gunzip_step {
    std::size_t consumed = 0;
    std::size_t produced = 0;
};

/// Decompresses what a stranger has sent. Checks the sums at the end, and the limits on the way; the ratio
/// whenever 64 KiB have come out, so that a bomb is noticed before it has unfolded. What it says does not
/// depend on how the bytes were cut (of the ratio: but for a few bytes that zlib looks ahead).
///
/// Errors: `errc::malformed_frame`, for bytes behind the end, too; `errc::frame_too_large` with the numbers;
/// from `finish`, `errc::partial_frame`. After one of them every call gives it again, until `reset`. What
/// came out before is a part of the text and nothing to rely on, as its sum was never checked.
///
/// Several members of gzip one after the other are one text (RFC 1952 2.2). No byte at all is the empty text,
/// as a server that answers without a body may name a coding.
///
/// It takes 40 KiB when the first byte comes, and keeps them over `reset`. Throws `std::bad_alloc`.
class gzip_decoder {
  public:
    explicit gzip_decoder(compression form = compression::gzip, gunzip_limits limits = {}) noexcept
        : limits_(limits), form_(form) {}

    /// Takes bytes and fills `out`, as far as there is of either. Until all of `bytes` is consumed and `out`
    /// was not filled, there is more: call again. `out` is not empty.
    result<gunzip_step> next(std::string_view bytes, std::span<char> out);

    /// Takes all of `bytes`, and appends all that they give: at most what `limits` allow.
    result<void> write(std::string_view bytes, std::string& out);

    /// To be called when no more bytes come.
    result<void> finish();

    std::uint64_t consumed() const noexcept { return consumed_; }
    std::uint64_t decoded() const noexcept { return decoded_; }

    /// Begins anew, in the same memory.
    void reset() noexcept;

  private:
    static constexpr std::uint64_t between_checks = 64 * 1024;

    void open();
    error fail(errc what, std::string detail);

    gunzip_limits limits_;
    std::unique_ptr<z_stream_s, detail::inflate_end> z_;
    std::optional<error> failed_;
    std::uint64_t consumed_ = 0;
    std::uint64_t decoded_ = 0;
    compression form_;
    bool inside_ = false; // of a member
    bool began_ = false;  // zlib has been told of the member that comes
    bool any_ended_ = false;
};

} // namespace portunus::http

#include <portunus/http/impl/gzip.hpp>

#endif
