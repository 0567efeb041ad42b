// SPDX-License-Identifier: BSL-1.0
// Lines and delimiters: byte 0 chooses the codec, 1 the limit, 2 the cuts; then the delimiter, then the
// stream.
#include <portunus/framing/delimiter_codec.hpp>
#include <portunus/framing/line_codec.hpp>

#include "framing_fuzz_support.hpp"

using namespace framing_fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in(data, size);
    const unsigned which = in.number(32);
    const std::size_t max_frame = 1 + in.number(120);
    const unsigned seed = in.number(256);
    const bool keep = which % 2;
    if (which < 16) {
        const auto mode = static_cast<portunus::line_mode>(which / 2 % 5);
        const portunus::line_codec codec(
            mode, {.max_frame = max_frame, .keep_delimiter = keep && mode != portunus::line_mode::any});
        check(codec, in.stream(), seed);
        return 0;
    }
    const std::string_view delimiter = in.text(1 + in.number(portunus::delimiter_codec::max_delimiter));
    if (delimiter.empty()) return 0;
    check(portunus::delimiter_codec(delimiter, {.max_frame = max_frame, .keep_delimiter = keep}), in.stream(),
          seed);
    return 0;
}
