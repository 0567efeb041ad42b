// SPDX-License-Identifier: BSL-1.0
// What the framing targets share: options out of the first bytes of an input, and the demand that a stream
// comes to the same however it is cut. A breach throws, which ends the target.
#ifndef PORTUNUS_TESTS_FUZZ_FRAMING_FUZZ_SUPPORT_HPP
#define PORTUNUS_TESTS_FUZZ_FRAMING_FUZZ_SUPPORT_HPP

#include "../unit/framing/decode_support.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace framing_fuzz {

using namespace framing_test;

class input {
  public:
    input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

    /// One byte, reduced to 0 ... below - 1. 0 when there are no more.
    unsigned number(unsigned below) {
        if (rest_.empty()) return 0;
        const unsigned byte = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return byte % below;
    }
    std::string_view text(std::size_t size) {
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    /// All that is left, up to a size at which feeding it by the byte is still quick.
    std::string_view stream() { return text(400); }

  private:
    std::string_view rest_;
};

/// Decodes the stream whole, by the byte, and cut at random; then tries it as a payload.
template <class Codec>
void check(const Codec& codec, std::string_view stream, unsigned seed) {
    std::mt19937 random(seed);
    const outcome whole = decode_in_pieces(codec, stream, {});
    demand(decode_by_decoder(codec, stream, {}) == whole, "the decoder differs from the codec");
    demand(decode_in_pieces(codec, stream, every_cut(stream.size())) == whole,
           "by the byte differs from whole");
    for (int i = 0; i < 3; ++i) {
        const auto cuts = random_cuts(random, stream.size());
        demand(decode_in_pieces(codec, stream, cuts) == whole, "in pieces differs from whole");
        demand(decode_by_decoder(codec, stream, cuts) == whole,
               "in pieces through the decoder differs from whole");
    }
    // What a codec encodes, it decodes to the same. Only what it refuses may come out as something else.
    const encoded sent = encode(codec, stream);
    if (!sent.refused)
        demand(decode_in_pieces(codec, sent.bytes, {sent.bytes.size() / 2}).frames.size() == 1,
               "a payload is not one frame");
}

} // namespace framing_fuzz

#endif
