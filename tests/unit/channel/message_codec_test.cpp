// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/message_codec.hpp>

#include <portunus/channel/json_lines.hpp>
#include <portunus/channel/pure_json.hpp>
#include <portunus/channel/struct_json.hpp>

#include "support/catch.hpp"

#include <string>

using namespace portunus;

namespace {

/// The least that is a codec: a message is its data.
struct bare {
    static constexpr std::string_view name = "bare";
    std::size_t begin(std::string& out, const message_view&) const { return out.size(); }
    void finish(std::string&, std::size_t) const {}
    void encode(std::string& out, const message_view& m) const { out += m.data; }
    result<message_view> decode(std::string_view bytes) const { return message_view{{}, {}, {}, bytes}; }
    result<message_view> salvage(std::string_view bytes) const { return decode(bytes); }
};
struct no_salvage : bare {
    result<message_view> salvage(std::string_view) const = delete;
};

static_assert(message_codec<bare> && !message_codec<no_salvage> && !message_codec<int>);

} // namespace

TEST_CASE("the codecs differ in their names and in what they add to the data") {
    const auto overhead = [](const auto& codec) {
        std::string out;
        codec.encode(out, {{}, service_id(10), data_id(7), "null"});
        return std::string(codec.name) + " " + std::to_string(out.size() - 4);
    };
    CHECK(overhead(pure_json()) == "pure_json 52");
    CHECK(overhead(struct_json()) == "struct_json 16");
    CHECK(overhead(json_lines()) == "json_lines 48");
    CHECK(overhead(bare()) == "bare 0");
}
