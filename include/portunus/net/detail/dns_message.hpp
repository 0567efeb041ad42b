// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_DNS_MESSAGE_HPP
#define PORTUNUS_NET_DETAIL_DNS_MESSAGE_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/dns_name.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace portunus::detail::dns {

// The types of records (RFC 1035 3.2.2, RFC 3596, RFC 2782, RFC 4034) that multicast DNS needs; every other
// one is skipped.
inline constexpr std::uint16_t type_a = 1;
inline constexpr std::uint16_t type_ptr = 12;
inline constexpr std::uint16_t type_txt = 16;
inline constexpr std::uint16_t type_aaaa = 28;
inline constexpr std::uint16_t type_srv = 33;
inline constexpr std::uint16_t type_nsec = 47;
inline constexpr std::uint16_t type_any = 255;

inline constexpr std::uint16_t class_in = 1;
inline constexpr std::uint16_t class_any = 255;

inline constexpr std::uint16_t flag_response = 0x8000;
inline constexpr std::uint16_t flag_authoritative = 0x0400;
inline constexpr std::uint16_t flag_truncated = 0x0200;

/// The largest message of multicast DNS, in bytes (RFC 6762 17).
inline constexpr std::size_t most_message = 9000;
inline constexpr std::size_t header_size = 12;
/// A name has no more labels than this, so it needs no more jumps.
inline constexpr std::size_t most_jumps = 127;

enum class section : std::uint8_t { question, answer, authority, additional };

/// What breaks the rules, and at which byte of the message.
struct flaw {
    std::size_t offset = 0;
    const char* what = nullptr;
};

inline std::uint16_t read16(std::string_view m, std::size_t at) noexcept {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(m[at]) << 8 |
                                      static_cast<unsigned char>(m[at + 1]));
}
inline std::uint32_t read32(std::string_view m, std::size_t at) noexcept {
    return static_cast<std::uint32_t>(read16(m, at)) << 16 | read16(m, at + 2);
}

/// Calls `label` for each label of the name at `at`. Gives where the bytes behind it begin, or 0, which no
/// name can, and what is wrong.
///
/// A pointer has to point before everything that was read of this name so far, so each jump goes further
/// back and none can come twice (RFC 1035 4.1.4 speaks of a prior occurrence).
template <class Label>
std::size_t walk_name(std::string_view m, std::size_t at, flaw& wrong, Label label) {
    const auto refuse = [&wrong](std::size_t where, const char* what) {
        wrong = {where, what};
        return std::size_t(0);
    };
    std::size_t end = 0, lowest = at, length = 1, jumps = 0;
    for (;;) {
        if (at >= m.size()) return refuse(at, "the name is cut off");
        const std::size_t byte = static_cast<unsigned char>(m[at]);
        if (byte == 0) return end != 0 ? end : at + 1;
        if ((byte & 0xc0) == 0xc0) {
            if (at + 1 >= m.size()) return refuse(at, "a pointer is cut off");
            const std::size_t target = (byte & 0x3f) << 8 | static_cast<unsigned char>(m[at + 1]);
            if (target >= lowest) return refuse(at, "a pointer of a name does not point back");
            if (target < header_size) return refuse(at, "a pointer of a name points into the header");
            if (++jumps > most_jumps) return refuse(at, "a name has more pointers than labels can be");
            if (end == 0) end = at + 2;
            lowest = at = target;
            continue;
        }
        if ((byte & 0xc0) != 0) return refuse(at, "a label is of an unknown kind");
        if (byte >= m.size() - at) return refuse(at, "a label is cut off");
        length += byte + 1;
        if (length > name::most_bytes) return refuse(at, "a name exceeds 255 bytes");
        label(m.substr(at + 1, byte));
        at += 1 + byte;
    }
}

/// A name inside of a message that was checked. Valid as long as its bytes.
class name_view {
  public:
    name_view() = default;
    name_view(std::string_view message, std::size_t offset) noexcept : message_(message), offset_(offset) {}

    name to_name() const {
        name whole;
        flaw none;
        walk_name(message_, offset_, none, [&whole](std::string_view label) { (void)whole.append(label); });
        return whole;
    }
    std::string text() const { return to_name().text(); }

    friend bool operator==(const name_view& a, const name& b) noexcept {
        std::string_view rest = b.wire();
        bool same = true;
        flaw none;
        walk_name(a.message_, a.offset_, none, [&](std::string_view label) {
            const std::size_t size = rest.empty() ? 0 : static_cast<unsigned char>(rest.front());
            same = same && size == label.size() && same_label(rest.substr(1, size), label);
            if (same) rest.remove_prefix(1 + size);
        });
        return same && rest.empty();
    }

  private:
    std::string_view message_;
    std::size_t offset_ = 0;
};

struct question_view {
    name_view owner{};
    std::uint16_t type = 0;
    std::uint16_t klass = 0; ///< without the bit
    bool unicast = false;    ///< QU: an answer to the asker alone is welcome (RFC 6762 5.4)

    bool asks_for(std::uint16_t t) const noexcept {
        return (type == t || type == type_any) && (klass == class_in || klass == class_any);
    }
};

/// A record inside of a message that was checked, its data included where the type is a known one.
struct record_view {
    section where = section::answer;
    name_view owner{};
    std::uint16_t type = 0;
    std::uint16_t klass = 0;  ///< without the bit
    bool flush = false;       ///< the cache-flush bit (RFC 6762 10.2)
    std::uint32_t ttl = 0;    ///< seconds; 0: goodbye
    std::string_view bytes{}; ///< the data as it stands in the message, names compressed
    std::string_view message{};
    std::size_t offset = 0; ///< of the data in the message

    /// Of A and AAAA.
    boost::asio::ip::address address() const;
    /// Of PTR and SRV: the name that it points to.
    name_view target() const noexcept { return {message, offset + (type == type_srv ? 6 : 0)}; }
    /// Of SRV.
    std::uint16_t port() const noexcept { return read16(bytes, 4); }
    /// Of TXT: calls `f` for each of its strings.
    template <class F>
    void each_string(F f) const {
        for (std::string_view rest = bytes; !rest.empty();) {
            const std::size_t size = static_cast<unsigned char>(rest.front());
            f(rest.substr(1, size));
            rest.remove_prefix(1 + size);
        }
    }
    /// The data with its names written in full: what two records are compared by (RFC 6762 8.2).
    std::string data() const;
};

/// A message that was checked from the first byte to the last record; a view, valid as long as its bytes.
class message {
  public:
    /// `errc::malformed_frame`, or `errc::frame_too_large` above 9000 bytes; the detail tells the byte. Bytes
    /// behind the last record are left alone.
    static result<message> read(std::string_view bytes);
    /// The same without a text, for those who only count.
    static bool check(std::string_view bytes, flaw& wrong);

    std::uint16_t id() const noexcept { return read16(bytes_, 0); }
    bool is_response() const noexcept { return (flags() & flag_response) != 0; }
    bool is_truncated() const noexcept { return (flags() & flag_truncated) != 0; }
    /// Multicast DNS has one operation and no failures; whatever else is to be ignored (RFC
    /// 6762 18.3, 18.11).
    bool is_plain() const noexcept { return (flags() & 0x780f) == 0; }
    std::uint16_t flags() const noexcept { return read16(bytes_, 2); }
    std::size_t count(section s) const noexcept {
        return read16(bytes_, 4 + 2 * static_cast<std::size_t>(s));
    }

    template <class F>
    void each_question(F f) const;
    /// The records of all sections, in order.
    template <class F>
    void each_record(F f) const;

  private:
    explicit message(std::string_view bytes) noexcept : bytes_(bytes) {}

    static std::size_t read_question(std::string_view m, std::size_t at, question_view& q, flaw& wrong);
    static std::size_t read_record(std::string_view m, std::size_t at, record_view& r, flaw& wrong);
    static bool check_data(const record_view& r, flaw& wrong);

    std::string_view bytes_;
};

template <class F>
void message::each_question(F f) const {
    std::size_t at = header_size;
    flaw none;
    for (std::size_t i = count(section::question); i != 0; --i) {
        question_view q;
        at = read_question(bytes_, at, q, none);
        f(static_cast<const question_view&>(q));
    }
}

template <class F>
void message::each_record(F f) const {
    std::size_t at = header_size;
    flaw none;
    question_view q;
    for (std::size_t i = count(section::question); i != 0; --i) at = read_question(bytes_, at, q, none);
    for (const section where : {section::answer, section::authority, section::additional}) {
        for (std::size_t i = count(where); i != 0; --i) {
            record_view r;
            r.where = where;
            at = read_record(bytes_, at, r, none);
            f(static_cast<const record_view&>(r));
        }
    }
}

/// A record that we own. `data` has its names in full, each with the root's zero.
struct record {
    name owner{};
    std::uint16_t type = 0;
    bool unique = false; ///< ours alone: it is written with the cache-flush bit
    std::uint32_t ttl = 0;
    std::string data{};
};

record address_record(name owner, const boost::asio::ip::address& address, std::uint32_t ttl);
record pointer_record(name owner, const name& target, std::uint32_t ttl);
record service_record(name owner, std::uint16_t port, const name& target, std::uint32_t ttl);
record text_record(name owner, std::string data, std::uint32_t ttl);
/// "Of these types I have records, of no other" (RFC 6762 6.1). Types below 256, ascending.
record denial_record(name owner, std::span<const std::uint16_t> types, std::uint32_t ttl);

/// Whether the data of two records of one type mean the same: names in them without regard to case.
bool same_data(std::uint16_t type, std::string_view a, std::string_view b) noexcept;

/// The name that the reverse lookup of an address asks for (RFC 1035 3.5, RFC 3596 2.5).
name reverse_name(const boost::asio::ip::address& address);

/// Writes a message into the caller's room. Names are compressed. What does not fit is left out as a whole.
class message_writer {
  public:
    /// `room`: at least a header's 12 bytes.
    message_writer(std::span<char> room, std::uint16_t id, std::uint16_t flags) noexcept;

    /// False, and nothing was written, where it does not fit, or a later section was begun already.
    bool add_question(const name& owner, std::uint16_t type, bool unicast);
    bool add_record(section where, const record& r) { return add_record(where, r, r.ttl, r.unique, true); }
    /// `compress_service`: whether the name in an SRV record may be compressed (RFC 6762 18.14).
    bool add_record(section where, const record& r, std::uint32_t ttl, bool flush, bool compress_service);

    void set_truncated() noexcept { room_[2] = static_cast<char>(room_[2] | (flag_truncated >> 8)); }
    std::string_view bytes() const noexcept { return {room_.data(), size_}; }
    std::size_t count(section s) const noexcept { return counts_[static_cast<std::size_t>(s)]; }

  private:
    bool begin(section s) noexcept { return s >= last_ && count(s) < 0xffff; }
    bool finish(section s, bool fits, std::size_t size_before, std::size_t known_before) noexcept;
    bool put(std::string_view bytes) noexcept;
    bool put16(std::uint16_t v) noexcept;
    bool put_name(std::string_view wire, bool compress) noexcept;
    bool stands_at(std::size_t offset, std::string_view wire) const noexcept;

    std::span<char> room_;
    std::size_t size_ = header_size;
    std::array<std::uint16_t, 4> counts_{};
    section last_ = section::question;
    std::array<std::uint16_t, 128> known_{}; // where names, or their ends, stand
    std::size_t known_size_ = 0;
};

} // namespace portunus::detail::dns

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/dns_message.ipp>
#endif

#endif
