// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_GZIP_CLIENT_HPP
#define PORTUNUS_HTTP_GZIP_CLIENT_HPP

#include <portunus/core/result.hpp>
#include <portunus/http/client_options.hpp>
#include <portunus/http/gzip.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

/// \file
/// Answers that were compressed. Needs zlib: link `portunus::gzip`.

namespace portunus::http {

namespace detail {

class gunzip_body final : public content_decoder {
  public:
    explicit gunzip_body(gunzip_limits limits) : decoder_(compression::gzip, limits) {}
    result<step> next(std::string_view bytes, std::span<char> out) override {
        const auto done = decoder_.next(bytes, out);
        if (!done) return done.error();
        step taken;
        taken.consumed = done->consumed;
        taken.produced = done->produced;
        return taken;
    }
    result<void> finish() override { return decoder_.finish(); }

  private:
    gzip_decoder decoder_;
};

} // namespace detail

/// For `client_options::codings`: offers gzip, and undoes it.
///
///     options.codings.push_back(http::accept_gzip());
///
/// \param max_ratio bytes out for each byte in, from 1 MiB on; beyond it the answer is refused as a bomb
inline content_coding_choice accept_gzip(std::uint32_t max_ratio = 200) {
    content_coding_choice choice;
    choice.name = "gzip";
    choice.make = [max_ratio](std::uint64_t most) -> std::unique_ptr<content_decoder> {
        gunzip_limits limits;
        limits.max_decoded = most;
        limits.max_ratio = max_ratio;
        return std::make_unique<detail::gunzip_body>(limits);
    };
    return choice;
}

} // namespace portunus::http

#endif
