// SPDX-License-Identifier: BSL-1.0
// Codecs that count: byte 0 chooses one, 1 the limit, 2 the cuts; then its options, then the stream.
#include <portunus/framing/fixed_codec.hpp>
#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/tagged_length_codec.hpp>

#include "framing_fuzz_support.hpp"

#include <bit>

using namespace framing_fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in(data, size);
    const unsigned which = in.number(8);
    const std::size_t max_frame = 1 + in.number(256);
    const unsigned seed = in.number(256);
    const auto order = in.number(2) ? std::endian::big : std::endian::little;
    if (which == 0) {
        check(portunus::fixed_codec(max_frame), in.stream(), seed);
    } else if (which == 1) {
        portunus::tagged_length_options options;
        options.long_width = 2 + in.number(7);
        options.short_width = 1 + in.number(options.long_width - 1);
        options.order = order;
        options.header_counted = in.number(2);
        options.max_frame = max_frame;
        check(portunus::tagged_length_codec(options), in.stream(), seed);
    } else {
        portunus::length_prefix_options options;
        options.width = 1 + in.number(8);
        options.order = order;
        options.length_offset = in.number(10);
        options.adjustment = static_cast<std::int64_t>(in.number(256)) - 128;
        if (in.number(8) == 0) options.adjustment *= std::int64_t{1} << 55;
        options.header_counted = in.number(2);
        options.strip = in.number(2) ? in.number(20) : portunus::strip_header;
        options.max_frame = max_frame + options.length_offset + options.width; // room for a header that stays
        check(portunus::length_prefix_codec(options), in.stream(), seed);
    }
    return 0;
}
