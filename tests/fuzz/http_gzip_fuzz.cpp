// SPDX-License-Identifier: BSL-1.0
// Any bytes as a compressed text: byte 0 says in which form and how many bytes may come out, the rest comes
// whole, in pieces, and into a room of another size.
#include "../unit/http/gzip_support.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

using namespace http_test;
using portunus::http::compression;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const auto form = data[0] & 1 ? compression::deflate : compression::gzip;
    const portunus::http::gunzip_limits limits{.max_decoded = std::uint64_t{1} << (data[0] >> 1 & 15),
                                               .max_ratio = 0};
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const gunzip_outcome whole = gunzip(bytes, form, limits);
    if (whole.text.size() > limits.max_decoded) throw std::logic_error("more than is allowed");
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0, step = 1 + data[0] % 7; at < bytes.size(); at += step)
        pieces.push_back(bytes.substr(at, step));
    portunus::http::gzip_decoder decoder(form, limits);
    for (int again = 0; again != 2; ++again) {
        if (gunzip(pieces, decoder, 1 + data[0] % 5) != whole)
            throw std::logic_error("in pieces differs from whole");
        decoder.reset();
    }
    return 0;
}
