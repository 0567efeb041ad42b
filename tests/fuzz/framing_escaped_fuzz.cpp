// SPDX-License-Identifier: BSL-1.0
// stp: byte 0 is the limit of a frame, 1 that of noise, 2 the cuts; then the stream.
#include <portunus/framing/escaped_codec.hpp>

#include "framing_fuzz_support.hpp"

using namespace framing_fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in(data, size);
    portunus::escaped_options options;
    options.max_frame = 1 + in.number(64);
    options.max_noise = in.number(128);
    const unsigned seed = in.number(256);
    const std::string_view stream = in.stream();
    check(portunus::escaped_codec(options), stream, seed);

    // Any payload comes through, whatever rubbish is sent before it, as long as that is within the limits.
    const portunus::escaped_codec generous({.max_frame = 1000, .max_noise = 10000});
    const std::string payload(stream.substr(stream.size() / 2));
    const outcome after = decode_in_pieces(
        generous, std::string(stream.substr(0, stream.size() / 2)).append(encode(generous, payload).bytes),
        {});
    demand(!after.frames.empty() && after.frames.back() == payload, "a good frame was lost");
    return 0;
}
