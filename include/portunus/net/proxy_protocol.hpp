// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_PROXY_PROTOCOL_HPP
#define PORTUNUS_NET_PROXY_PROTOCOL_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace portunus {

/// The longest header of version 1, its line end included.
inline constexpr std::size_t max_proxy_line = 107;
/// The longest header of version 2 that is read unless another limit is given: addresses, and TLVs with a
/// certificate. The format itself ends at 65 551.
inline constexpr std::size_t default_max_proxy_header = 8192;

/// Who opened the connection in front of the proxy.
enum class proxy_command : std::uint8_t {
    local, ///< the proxy itself, to see whether we live: the connection's own ends are the true ones
    proxy, ///< somebody for whom it speaks
};

/// What the addresses of a header are.
enum class proxy_family : std::uint8_t {
    unknown,  ///< the proxy does not say, or has no words for it: the connection's own ends are all there is
    stream,   ///< TCP: `source` and `destination`
    datagram, ///< UDP: the same (version 2)
    local_stream,   ///< a stream in the file system of the proxy's machine: the paths (version 2)
    local_datagram, ///< the same for datagrams
};

/// One of the values that version 2 carries behind the addresses.
struct proxy_value {
    std::uint8_t type = 0;
    std::string_view bytes{};
};

/// Types of values that have a meaning to everybody.
enum class proxy_type : std::uint8_t {
    alpn = 0x01,
    authority = 0x02, ///< the name that the client asked for (SNI)
    crc32c = 0x03,    ///< checked by the parser
    noop = 0x04,
    unique_id = 0x05,
    ssl = 0x20, ///< a byte of flags, four of the verification's result, then values again
    netns = 0x30,
};

/// The values of a header, one after the other: views of the bytes that were parsed.
class proxy_values {
  public:
    class iterator {
      public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = proxy_value;
        using difference_type = std::ptrdiff_t;
        using pointer = const proxy_value*;
        using reference = proxy_value;

        iterator() noexcept = default;
        explicit iterator(std::string_view rest) noexcept : rest_(rest) {}
        proxy_value operator*() const noexcept { return {byte(0), rest_.substr(3, length())}; }
        iterator& operator++() noexcept {
            rest_.remove_prefix(3 + length());
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.rest_.size() == b.rest_.size();
        }

      private:
        friend class proxy_values;
        std::uint8_t byte(std::size_t i) const noexcept { return static_cast<std::uint8_t>(rest_[i]); }
        std::size_t length() const noexcept { return std::size_t(byte(1)) << 8 | byte(2); }
        std::string_view rest_{};
    };

    proxy_values() noexcept = default;
    iterator begin() const noexcept { return iterator(bytes_); }
    iterator end() const noexcept { return iterator(bytes_.substr(bytes_.size())); }
    bool empty() const noexcept { return bytes_.empty(); }

    /// The first value of this type.
    std::optional<std::string_view> find(std::uint8_t type) const noexcept {
        for (const proxy_value v : *this)
            if (v.type == type) return v.bytes;
        return std::nullopt;
    }
    std::optional<std::string_view> find(proxy_type type) const noexcept {
        return find(static_cast<std::uint8_t>(type));
    }

    /// Values inside of a value (`proxy_type::ssl` from its sixth byte on); nothing where the bytes are not
    /// values to their end.
    static std::optional<proxy_values> parse(std::string_view bytes) noexcept {
        for (std::string_view rest = bytes; !rest.empty();) {
            if (rest.size() < 3) return std::nullopt;
            const iterator next(rest);
            if (rest.size() - 3 < next.length()) return std::nullopt;
            rest.remove_prefix(3 + next.length());
        }
        return proxy_values(bytes);
    }

  private:
    explicit proxy_values(std::string_view checked) noexcept : bytes_(checked) {}
    std::string_view bytes_{};
};

/// What a proxy says about a connection before the first byte of it. The views are of the bytes that were
/// parsed.
struct proxy_header {
    int version = 0;      ///< 1 or 2
    std::size_t size = 0; ///< bytes of the header; what follows is the client's
    proxy_command command = proxy_command::local;
    proxy_family family = proxy_family::unknown;
    boost::asio::ip::tcp::endpoint source{};      ///< the client, where `family` is stream or datagram
    boost::asio::ip::tcp::endpoint destination{}; ///< whom it connected to: an end of the proxy
    std::string_view source_path{};               ///< of local families; an abstract name begins with NUL
    std::string_view destination_path{};
    proxy_values values{};
};

/// Reads the header at the beginning of `bytes`, which may be the beginning of it.
///
///     auto header = parse_proxy_header(received);
///     if (!header) ...                    // refused: this is no connection to go on with
///     else if (!*header) ...              // more bytes are needed; all that have come belong to the header
///     else use((*header)->source), received.remove_prefix((*header)->size);
///
/// The verdict depends on the bytes alone and not on how they come: what is refused stays refused with more
/// bytes behind it, and a header that is complete is the same one whatever follows.
///
/// Errors: `errc::malformed_frame` for everything that the specification does not allow a sender, which is
/// never guessed at: another beginning, a line of more than 107 bytes, an address that is none or of the
/// other family, numbers with leading zeros, blanks too many, unknown versions, commands and families, values
/// that do not end where the header does, a CRC32c that is not that of the bytes. `errc::frame_too_large`:
/// version 2 announces more than `max_header` bytes.
///
/// In `UNKNOWN` lines, LOCAL headers and those of the family UNSPEC everything behind the announcement is
/// skipped unread, as the specification wants; `values` is then empty.
///
/// Source: "The PROXY protocol, versions 1 & 2", haproxy.org/download/3.0/doc/proxy-protocol.txt
PORTUNUS_DECL result<std::optional<proxy_header>>
parse_proxy_header(std::string_view bytes, std::size_t max_header = default_max_proxy_header);

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/proxy_protocol.ipp>
#endif

#endif
