// SPDX-License-Identifier: BSL-1.0
// Any bytes: a DNS message either says which byte is wrong, or all that it contains can be read, written
// again and read once more with the same meaning.
#include <portunus/net/detail/dns_message.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace dns = portunus::detail::dns;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

dns::record owned(const dns::record_view& r) {
    return {r.owner.to_name(), r.type, r.flush, r.ttl, r.data()};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto read = dns::message::read(bytes);
    if (!read) {
        const bool large = size > dns::most_message;
        require(read.error() == (large ? portunus::errc::frame_too_large : portunus::errc::malformed_frame));
        require(read.error().detail().starts_with("byte "));
        return 0;
    }
    // Names grow when they are written in full, and this many bytes hold whatever 9000 can say.
    std::vector<char> room(65536);
    dns::message_writer writer(room, read->id(), read->flags());
    std::size_t questions = 0;
    read->each_question([&](const dns::question_view& q) {
        const dns::name owner = q.owner.to_name();
        require(owner.wire().size() < dns::name::most_bytes && q.owner == owner);
        const auto again = dns::name::parse(owner.text());
        require(again.has_value() && again->wire() == owner.wire());
        require(writer.add_question(owner, q.type, q.unicast));
        ++questions;
    });
    std::vector<dns::record> records;
    read->each_record([&](const dns::record_view& r) {
        require(r.bytes.data() >= bytes.data() && r.bytes.data() + r.bytes.size() <= bytes.data() + size);
        if (r.type == dns::type_a) require(r.address().is_v4());
        if (r.type == dns::type_aaaa) require(r.address().is_v6());
        std::size_t text = 0;
        if (r.type == dns::type_txt) r.each_string([&](std::string_view s) { text += 1 + s.size(); });
        require(r.type != dns::type_txt || text == r.bytes.size());
        records.push_back(owned(r));
        if (!writer.add_record(r.where, records.back())) records.pop_back();
    });
    if (writer.bytes().size() > dns::most_message) return 0;
    const auto again = dns::message::read(writer.bytes());
    require(again.has_value() && again->id() == read->id());
    require(again->count(dns::section::question) == questions);
    std::size_t i = 0;
    again->each_record([&](const dns::record_view& r) {
        require(i < records.size());
        const dns::record& before = records[i++];
        require(r.owner.to_name().wire() == before.owner.wire() && r.type == before.type);
        require(r.ttl == before.ttl && r.flush == before.unique && r.data() == before.data);
        require(dns::same_data(r.type, r.data(), before.data));
    });
    require(i == records.size());
    return 0;
}
