// SPDX-License-Identifier: BSL-1.0
// Any bytes as a message.
#include <portunus/channel/json_lines.hpp>

#include "channel_fuzz_support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    channel_fuzz::check(portunus::json_lines(), bytes);
    return 0;
}
