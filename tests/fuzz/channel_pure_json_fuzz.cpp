// SPDX-License-Identifier: BSL-1.0
// Any bytes as a message, as they are and with the checksum that they should have.
#include <portunus/channel/pure_json.hpp>

#include "channel_fuzz_support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    channel_fuzz::check(portunus::pure_json(), bytes);
    channel_fuzz::check(portunus::pure_json(), channel_fuzz::sealed(bytes));
    return 0;
}
