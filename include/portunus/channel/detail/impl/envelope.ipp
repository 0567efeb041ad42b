// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_IMPL_ENVELOPE_IPP
#define PORTUNUS_CHANNEL_DETAIL_IMPL_ENVELOPE_IPP

#include <portunus/channel/detail/envelope.hpp>

#include <portunus/framing/crc32.hpp>
#include <portunus/json/detail/cursor.hpp>
#include <portunus/json/read.hpp>

#include <charconv>
#include <cstring>

namespace portunus::detail {

PORTUNUS_DECL void begin_envelope(std::string& out, const message_view& head) {
    char text[96]; // the longest is 73
    char* p = text;
    const auto field = [&p](std::string_view name, std::uint32_t value) {
        std::memcpy(p, name.data(), name.size());
        p += name.size();
        p = std::to_chars(p, p + 10, value).ptr;
    };
    field("{\"data_id\":", static_cast<std::uint32_t>(head.id));
    field(",\"service_id\":", static_cast<std::uint32_t>(head.service));
    field(",\"status\":", static_cast<std::uint32_t>(head.status));
    constexpr std::string_view data = ",\"data\":";
    std::memcpy(p, data.data(), data.size());
    p += data.size();
    out.append(text, static_cast<std::size_t>(p - text));
}

/// One value, whatever it is.
PORTUNUS_DECL bool take_value(json::detail::cursor& in, std::string_view& value) {
    in.next();
    const char* const from = in.at();
    if (!in.skip()) return false;
    value = std::string_view(from, static_cast<std::size_t>(in.at() - from));
    return true;
}

/// The members of the envelope, in any order.
class envelope_reader {
  public:
    explicit envelope_reader(std::string_view text)
        // The data is nested as deeply as it is in codecs that have no object around it.
        : in_(text, json::max_depth + 1) {}

    bool read(message_view& m) {
        if (!in_.open('{', "an object")) return false;
        if (!in_.take('}')) {
            do {
                if (!member(m)) return false;
            } while (in_.more('}'));
        }
        if (!in_.closed() || !in_.finished()) return false;
        return required(service_id_bit, "service_id") && required(data_id_bit, "data_id");
    }
    error failure() const { return in_.trouble().as(errc::malformed_data); }

  private:
    enum bits : unsigned { data_id_bit = 1, service_id_bit = 2, status_bit = 4, data_bit = 8 };

    bool member(message_view& m) {
        if (in_.key_is<7>("data_id")) return number(data_id_bit, "data_id", m.id);
        if (in_.key_is<10>("service_id")) return number(service_id_bit, "service_id", m.service);
        if (in_.key_is<6>("status")) return number(status_bit, "status", m.status);
        if (in_.key_is<4>("data")) return data(m);
        std::string_view key;
        if (!in_.key(key)) return false;
        if (key == "data_id") return number(data_id_bit, "data_id", m.id);
        if (key == "service_id") return number(service_id_bit, "service_id", m.service);
        if (key == "status") return number(status_bit, "status", m.status);
        if (key == "data") return data(m);
        return in_.skip();
    }

    template <class Id>
    bool number(unsigned bit, const char* name, Id& id) {
        std::uint32_t value = 0;
        if (!first(bit) || !json::detail::read_number(in_, value)) [[unlikely]]
            return in_.trouble().in_member(name);
        id = static_cast<Id>(value);
        return true;
    }
    bool data(message_view& m) {
        return (first(data_bit) && take_value(in_, m.data)) || in_.trouble().in_member("data");
    }

    bool first(unsigned bit) {
        if ((seen_ & bit) != 0) [[unlikely]]
            return in_.trouble().is("appears twice");
        seen_ |= bit;
        return true;
    }
    bool required(unsigned bit, const char* name) {
        if ((seen_ & bit) != 0) [[likely]]
            return true;
        in_.trouble().is("missing");
        return in_.trouble().in_member(name);
    }

    json::detail::cursor in_;
    unsigned seen_ = 0;
};

PORTUNUS_DECL result<message_view> read_envelope(std::string_view text) {
    envelope_reader reader(text);
    message_view m;
    if (reader.read(m)) [[likely]]
        return m;
    return reader.failure();
}

PORTUNUS_DECL result<std::string_view> read_data(std::string_view text) {
    json::detail::cursor in(text);
    std::string_view value;
    if (take_value(in, value) && in.finished()) [[likely]]
        return value;
    in.trouble().in_member("data");
    return in.trouble().as(errc::malformed_data);
}

PORTUNUS_DECL void append_checksum(std::string& out, std::size_t start) {
    append_big_endian(out, crc32(std::string_view(out).substr(start)));
}

PORTUNUS_DECL result<std::string_view> without_checksum(std::string_view bytes, std::size_t least) {
    if (bytes.size() < least + checksum_size)
        return error(errc::malformed_data, "a message of " + std::to_string(bytes.size()) +
                                               " bytes: the shortest has " +
                                               std::to_string(least + checksum_size));
    return bytes.substr(0, bytes.size() - checksum_size);
}

PORTUNUS_DECL error verify_checksum(std::string_view bytes) {
    const std::size_t size = bytes.size() - checksum_size;
    const std::uint32_t computed = crc32(bytes.substr(0, size)), said = big_endian(bytes, size);
    if (computed == said) [[likely]]
        return {};
    const auto hex = [](std::uint32_t value) {
        std::string digits(8, '0');
        for (std::size_t i = 8; i-- != 0; value >>= 4) digits[i] = "0123456789abcdef"[value & 15];
        return digits;
    };
    return error(errc::checksum_mismatch, "CRC-32 of " + std::to_string(size) + " bytes is " + hex(computed) +
                                              ", the message says " + hex(said));
}

} // namespace portunus::detail

#endif
