// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_DNS_MESSAGE_IPP
#define PORTUNUS_NET_DETAIL_IMPL_DNS_MESSAGE_IPP

#include <portunus/net/detail/dns_message.hpp>

#include <portunus/core/detail/config.hpp>
#include <utility>

namespace portunus::detail::dns {

// reading

PORTUNUS_DECL boost::asio::ip::address record_view::address() const {
    if (type == type_a) return boost::asio::ip::address_v4(read32(bytes, 0));
    boost::asio::ip::address_v6::bytes_type raw{};
    if (bytes.size() == raw.size()) std::memcpy(raw.data(), bytes.data(), raw.size());
    return boost::asio::ip::address_v6(raw);
}

PORTUNUS_DECL std::string record_view::data() const {
    if (type != type_ptr && type != type_srv) return std::string(bytes);
    std::string full(bytes.substr(0, type == type_srv ? 6 : 0));
    full += target().to_name().wire();
    full += '\0';
    return full;
}

PORTUNUS_DECL std::size_t message::read_question(std::string_view m, std::size_t at, question_view& q,
                                                 flaw& wrong) {
    q.owner = name_view(m, at);
    const std::size_t end = walk_name(m, at, wrong, [](std::string_view) {});
    if (end == 0) return 0;
    if (m.size() - end < 4) {
        wrong = {end, "a question is cut off"};
        return 0;
    }
    q.type = read16(m, end);
    const std::uint16_t klass = read16(m, end + 2);
    q.klass = klass & 0x7fff;
    q.unicast = (klass & 0x8000) != 0;
    return end + 4;
}

PORTUNUS_DECL std::size_t message::read_record(std::string_view m, std::size_t at, record_view& r,
                                               flaw& wrong) {
    r.owner = name_view(m, at);
    const std::size_t end = walk_name(m, at, wrong, [](std::string_view) {});
    if (end == 0) return 0;
    if (m.size() - end < 10) {
        wrong = {end, "a record is cut off"};
        return 0;
    }
    r.type = read16(m, end);
    const std::uint16_t klass = read16(m, end + 2);
    r.klass = klass & 0x7fff;
    r.flush = (klass & 0x8000) != 0;
    r.ttl = read32(m, end + 4);
    if (r.ttl > 0x7fffffff) r.ttl = 0; // RFC 2181 8
    const std::size_t size = read16(m, end + 8);
    r.message = m;
    r.offset = end + 10;
    if (m.size() - r.offset < size) {
        wrong = {end + 8, "the data of a record is cut off"};
        return 0;
    }
    r.bytes = m.substr(r.offset, size);
    return r.offset + size;
}

PORTUNUS_DECL bool message::check_data(const record_view& r, flaw& wrong) {
    const auto refuse = [&](const char* what) {
        wrong = {r.offset, what};
        return false;
    };
    switch (r.type) {
    case type_a:
        return r.bytes.size() == 4 || refuse("an A record has not 4 bytes");
    case type_aaaa:
        return r.bytes.size() == 16 || refuse("an AAAA record has not 16 bytes");
    case type_srv:
        if (r.bytes.size() < 7) return refuse("an SRV record is cut off");
        [[fallthrough]];
    case type_ptr: {
        const std::size_t at = r.offset + (r.type == type_srv ? 6 : 0);
        const std::size_t end = walk_name(r.message, at, wrong, [](std::string_view) {});
        if (end == 0) return false;
        return end == r.offset + r.bytes.size() || refuse("a name does not fill the data of its record");
    }
    case type_txt:
        for (std::string_view rest = r.bytes; !rest.empty();) {
            const std::size_t size = static_cast<unsigned char>(rest.front());
            if (size >= rest.size()) return refuse("a string of a TXT record is cut off");
            rest.remove_prefix(1 + size);
        }
        return true;
    default:
        return true;
    }
}

PORTUNUS_DECL bool message::check(std::string_view bytes, flaw& wrong) {
    if (bytes.size() < header_size) {
        wrong = {bytes.size(), "the header is cut off"};
        return false;
    }
    if (bytes.size() > most_message) {
        wrong = {most_message, "the message exceeds 9000 bytes"};
        return false;
    }
    std::size_t at = header_size;
    for (std::size_t i = read16(bytes, 4); i != 0; --i) {
        question_view q;
        at = read_question(bytes, at, q, wrong);
        if (at == 0) return false;
    }
    const std::size_t records = std::size_t(read16(bytes, 6)) + read16(bytes, 8) +
                                read16(bytes, 10); // at most 11 bytes each are there
    for (std::size_t i = records; i != 0; --i) {
        record_view r;
        at = read_record(bytes, at, r, wrong);
        if (at == 0 || !check_data(r, wrong)) return false;
    }
    return true;
}

PORTUNUS_DECL result<message> message::read(std::string_view bytes) {
    flaw wrong;
    if (check(bytes, wrong)) return message(bytes);
    return error(bytes.size() > most_message ? errc::frame_too_large : errc::malformed_frame,
                 "byte " + std::to_string(wrong.offset) + " of " + std::to_string(bytes.size()) +
                     " of a DNS message: " + wrong.what);
}

// records

PORTUNUS_DECL record address_record(name owner, const boost::asio::ip::address& address, std::uint32_t ttl) {
    record r{std::move(owner), address.is_v4() ? type_a : type_aaaa, true, ttl, {}};
    const auto put = [&r](const auto& raw) {
        for (const auto byte : raw) r.data += static_cast<char>(byte);
    };
    if (address.is_v4())
        put(address.to_v4().to_bytes());
    else
        put(address.to_v6().to_bytes());
    return r;
}

PORTUNUS_DECL record pointer_record(name owner, const name& target, std::uint32_t ttl) {
    record r{std::move(owner), type_ptr, false, ttl, std::string(target.wire())};
    r.data += '\0';
    return r;
}

PORTUNUS_DECL record service_record(name owner, std::uint16_t port, const name& target, std::uint32_t ttl) {
    record r{std::move(owner), type_srv, true, ttl, std::string(4, '\0')}; // priority 0, weight 0
    r.data += static_cast<char>(port >> 8);
    r.data += static_cast<char>(port & 0xff);
    r.data += target.wire();
    r.data += '\0';
    return r;
}

PORTUNUS_DECL record text_record(name owner, std::string data, std::uint32_t ttl) {
    if (data.empty()) data.assign(1, '\0'); // none at all is one empty string (RFC 6763 6.1)
    return {std::move(owner), type_txt, true, ttl, std::move(data)};
}

PORTUNUS_DECL record denial_record(name owner, std::span<const std::uint16_t> types, std::uint32_t ttl) {
    std::string bits;
    for (const std::uint16_t type : types) {
        const std::size_t byte = type / 8;
        if (bits.size() <= byte) bits.resize(byte + 1, '\0');
        bits[byte] = static_cast<char>(static_cast<unsigned char>(bits[byte]) | 0x80u >> type % 8);
    }
    record r{std::move(owner), type_nsec, true, ttl, {}};
    r.data = r.owner.wire();
    r.data += '\0';
    r.data += '\0'; // types 0 to 255
    r.data += static_cast<char>(bits.size());
    r.data += bits;
    return r;
}

PORTUNUS_DECL bool same_data(std::uint16_t type, std::string_view a, std::string_view b) noexcept {
    if (type == type_ptr) return same_label(a, b);
    if (type == type_srv)
        return a.substr(0, 6) == b.substr(0, 6) && same_label(a.substr(std::min<std::size_t>(6, a.size())),
                                                              b.substr(std::min<std::size_t>(6, b.size())));
    return a == b;
}

PORTUNUS_DECL name reverse_name(const boost::asio::ip::address& address) {
    name whole;
    if (address.is_v4()) {
        const auto raw = address.to_v4().to_bytes();
        for (auto i = raw.rbegin(); i != raw.rend(); ++i) (void)whole.append(std::to_string(*i));
        (void)whole.append("in-addr");
    } else {
        constexpr std::string_view digits = "0123456789abcdef";
        const auto raw = address.to_v6().to_bytes();
        for (auto i = raw.rbegin(); i != raw.rend(); ++i) {
            (void)whole.append(digits.substr(*i & 0x0f, 1));
            (void)whole.append(digits.substr(*i >> 4, 1));
        }
        (void)whole.append("ip6");
    }
    (void)whole.append("arpa");
    return whole;
}

// writing

PORTUNUS_DECL message_writer::message_writer(std::span<char> room, std::uint16_t id,
                                             std::uint16_t flags) noexcept
    : room_(room) {
    std::fill_n(room_.begin(), header_size, '\0');
    room_[0] = static_cast<char>(id >> 8);
    room_[1] = static_cast<char>(id & 0xff);
    room_[2] = static_cast<char>(flags >> 8);
    room_[3] = static_cast<char>(flags & 0xff);
}

PORTUNUS_DECL bool message_writer::put(std::string_view bytes) noexcept {
    if (room_.size() - size_ < bytes.size()) return false;
    std::copy(bytes.begin(), bytes.end(), room_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += bytes.size();
    return true;
}

PORTUNUS_DECL bool message_writer::put16(std::uint16_t v) noexcept {
    const char raw[2] = {static_cast<char>(v >> 8), static_cast<char>(v & 0xff)};
    return put({raw, 2});
}

/// Whether exactly this name stands at `offset`. Case counts here: a name keeps the form that its owner gave
/// it.
PORTUNUS_DECL bool message_writer::stands_at(std::size_t offset, std::string_view wire) const noexcept {
    bool same = true;
    flaw none;
    walk_name(bytes(), offset, none, [&](std::string_view label) {
        same = same && wire.size() > label.size() && static_cast<unsigned char>(wire[0]) == label.size() &&
               wire.substr(1, label.size()) == label;
        if (same) wire.remove_prefix(1 + label.size());
    });
    return same && wire.empty() && none.what == nullptr;
}

PORTUNUS_DECL bool message_writer::put_name(std::string_view wire, bool compress) noexcept {
    const std::size_t known_before =
        known_size_; // what is written now cannot be pointed to before it is done
    for (; !wire.empty(); wire.remove_prefix(1 + static_cast<unsigned char>(wire.front()))) {
        if (compress) {
            for (std::size_t i = 0; i < known_before; ++i)
                if (stands_at(known_[i], wire)) return put16(static_cast<std::uint16_t>(0xc000 | known_[i]));
        }
        if (size_ < 0x4000 && known_size_ < known_.size())
            known_[known_size_++] = static_cast<std::uint16_t>(size_);
        if (!put(wire.substr(0, 1 + static_cast<unsigned char>(wire.front())))) return false;
    }
    return put(std::string_view("\0", 1));
}

PORTUNUS_DECL bool message_writer::finish(section s, bool fits, std::size_t size_before,
                                          std::size_t known_before) noexcept {
    if (!fits) {
        size_ = size_before;
        known_size_ = known_before;
        return false;
    }
    last_ = s;
    const std::uint16_t n = ++counts_[static_cast<std::size_t>(s)];
    const std::size_t at = 4 + 2 * static_cast<std::size_t>(s);
    room_[at] = static_cast<char>(n >> 8);
    room_[at + 1] = static_cast<char>(n & 0xff);
    return true;
}

PORTUNUS_DECL bool message_writer::add_question(const name& owner, std::uint16_t type, bool unicast) {
    if (!begin(section::question)) return false;
    const std::size_t size_before = size_, known_before = known_size_;
    const bool fits = put_name(owner.wire(), true) && put16(type) &&
                      put16(static_cast<std::uint16_t>(class_in | (unicast ? 0x8000 : 0)));
    return finish(section::question, fits, size_before, known_before);
}

PORTUNUS_DECL bool message_writer::add_record(section where, const record& r, std::uint32_t ttl, bool flush,
                                              bool compress_service) {
    if (where == section::question || !begin(where)) return false;
    const std::size_t size_before = size_, known_before = known_size_;
    bool fits = put_name(r.owner.wire(), true) && put16(r.type) &&
                put16(static_cast<std::uint16_t>(class_in | (flush ? 0x8000 : 0))) &&
                put16(static_cast<std::uint16_t>(ttl >> 16)) &&
                put16(static_cast<std::uint16_t>(ttl & 0xffff)) && put16(0);
    const std::size_t begin_of_data = size_;
    const std::string_view data = r.data;
    if (fits && r.type == type_ptr && !data.empty())
        fits = put_name(data.substr(0, data.size() - 1), true);
    else if (fits && r.type == type_srv && data.size() > 6)
        fits = put(data.substr(0, 6)) && put_name(data.substr(6, data.size() - 7), compress_service);
    else if (fits)
        fits = put(data);
    if (fits) {
        const std::size_t size = size_ - begin_of_data;
        fits = size <= 0xffff;
        room_[begin_of_data - 2] = static_cast<char>(size >> 8);
        room_[begin_of_data - 1] = static_cast<char>(size & 0xff);
    }
    return finish(where, fits, size_before, known_before);
}

} // namespace portunus::detail::dns

#endif
