// SPDX-License-Identifier: BSL-1.0
// Any bytes as a PROXY header, given as each of its beginnings: once there is a verdict it stays, and what
// was accepted is within its bounds.
#include <portunus/net/proxy_protocol.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size < 600 ? size : 600);
    constexpr std::size_t limit = 300;
    const auto whole = portunus::parse_proxy_header(bytes, limit);
    bool over = false;
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        const auto part = portunus::parse_proxy_header(bytes.substr(0, n), limit);
        const bool decided = !part || *part;
        if (over && !decided) std::abort(); // a verdict was taken back
        if (!decided) continue;
        over = true;
        if (part.has_value() != whole.has_value()) std::abort();
        if (!part && !(part.error() == whole.error())) std::abort();
        if (part && (*part)->size != (*whole)->size) std::abort();
        if (part && ((*part)->source != (*whole)->source || (*part)->family != (*whole)->family))
            std::abort();
    }
    if (!whole) {
        if (whole.error().detail().empty()) std::abort();
        return 0;
    }
    if (!*whole) return bytes.size() >= 16 + limit ? (std::abort(), 0) : 0;
    const portunus::proxy_header& h = **whole;
    if (h.size > bytes.size() || h.size > limit || (h.version == 1 && h.size > portunus::max_proxy_line))
        std::abort();
    std::size_t values = 0;
    for (const auto v : h.values) {
        if (v.bytes.data() < bytes.data() || v.bytes.data() + v.bytes.size() > bytes.data() + h.size)
            std::abort();
        values += 3 + v.bytes.size();
    }
    if (values + 16 > h.size && values != 0) std::abort();
    return 0;
}
