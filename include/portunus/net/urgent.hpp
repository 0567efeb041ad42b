// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_URGENT_HPP
#define PORTUNUS_NET_URGENT_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>

#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>

namespace portunus {

namespace detail {
struct urgent_reader_state;
}

// TCP's urgent data (RFC 9293 3.8.5; M-13, M-14), for peers that use it. New protocols should not (RFC 6093):
// a message of high priority inside the stream (`escaped_codec`), or a second connection, can do more. What
// it cannot do:
//
// - TCP carries a pointer to one place in the stream, not data of its own: the last byte of an urgent send is
//   the urgent one, those before it are normal. It overtakes nothing: it arrives when the bytes before it do.
// - There is one pointer. A second urgent byte before the first was received takes it over. Out of line the
//   first byte then is lost, or falls into the normal data if other bytes stand between; in line both stay in
//   the stream, and only the last one is marked.
// - Middleboxes clear the pointer, then the byte arrives as a normal one. TLS has no place for it.

/// Sends `data` with its last byte urgent (MSG_OOB). Completes when everything has been handed to the kernel;
/// as `write`: all or an error, with the same errors, limits and cancellation (`errc::torn_write` when a part
/// had left). Counts as the stream's write: may overlap with reads, and no other write may begin before it
/// has completed. `data` belongs to the caller until it has
/// completed. Nothing is sent for no data. The bytes before the last leave first, by themselves, so that a
/// buffer that takes only a part of them never marks a wrong byte.
awaitable<result<void>> send_urgent(tcp_stream& stream, boost::asio::const_buffer data);
inline awaitable<result<void>> send_urgent(tcp_stream& stream, std::string_view data) {
    return send_urgent(stream, boost::asio::buffer(data));
}

/// One urgent byte, at once; `errc::would_block` when the kernel takes nothing.
result<void> try_send_urgent(tcp_stream& stream, char byte);

/// Completes when an urgent byte is there: `receive_urgent` gives it, or, in line, reading comes to it. It
/// stays there until it is received, so waiting again before that completes at once. May overlap with reads
/// and writes; a read that is pending beside it takes the slower way through the kernel. Errors as in a read;
/// `errc::end_of_stream` once the peer's end has come, at the latest when a read has met it. The idle limit
/// of the stream bounds it.
awaitable<result<void>> wait_urgent(tcp_stream& stream);

/// Completes with the urgent byte, out of line: it is not, and will not be, in the stream. Errors as in
/// `wait_urgent`; `errc::invalid_option` for a stream that takes urgent data in line. A cancellation
/// (`errc::canceled`) loses no byte.
awaitable<result<char>> receive_urgent(tcp_stream& stream);

/// The same without waiting: `errc::would_block` when there is none, also when it was received already.
result<char> try_receive_urgent(tcp_stream& stream);

/// Whether reading has come to the mark: the next byte is the urgent one or, out of line, was behind the
/// place where it stood. A read never goes over the mark, so this holds after a read that stopped there.
result<bool> at_mark(const tcp_stream& stream);

/// Takes urgent bytes in line (SO_OOBINLINE): they stay in the stream. To be set before they come.
result<void> set_urgent_inline(tcp_stream& stream, bool on);

/// What is urgent, when the pointer says only where it ends.
enum class urgent_extent {
    to_mark,   ///< all that has not been read when the notice comes, up to the mark (RFC 793, Telnet, M-14)
    last_byte, ///< the byte at the mark (what BSD and Linux make of it)
};

/// A piece of a stream with urgent data: never urgent and normal bytes in one. M-14's (data, urgent, mark) is
/// (data, first, mark).
struct urgent_piece {
    std::string_view data{}; ///< in the buffer that `read` was given
    bool urgent{false};      ///< belongs to an urgent run
    bool first{false};       ///< begins one
    bool mark{false};        ///< ends one; `first` and `mark` may be both set
};
static_assert(std::is_trivially_destructible_v<urgent_piece>);

/// Reads a stream with its urgent data in line, as M-14 wants it: when an urgent byte has arrived, what is
/// before it in the stream, and it, is delivered as an urgent run; normal data follows only after the mark.
/// With `urgent_extent::to_mark` bytes that were read before the notice came were normal, so where a run
/// begins depends on timing; where it ends does not. Where a second urgent byte comes before the first was
/// read, the run goes on to the second one's mark.
///
/// A handle, move-only. Over a stream that it owns, it ends the stream when it is destroyed; over one that it
/// borrows it keeps nothing alive, and reads give `errc::canceled` once that is gone. While it is used nobody
/// else may read from the stream.
class urgent_reader {
  public:
    explicit urgent_reader(tcp_stream&& owned, urgent_extent extent = urgent_extent::to_mark);
    explicit urgent_reader(tcp_stream& borrowed, urgent_extent extent = urgent_extent::to_mark);
    urgent_reader(urgent_reader&&) noexcept;
    urgent_reader& operator=(urgent_reader&&) noexcept;
    ~urgent_reader();

    /// Completes with the next piece, 1 to `into.size()` bytes; also with the urgent flag when the notice
    /// comes while it waits (M-6). `into` belongs to the caller until it has completed, and the piece points
    /// into it. Errors and cancellation as in `tcp_stream::read_some`; `errc::invalid_option` for an empty
    /// buffer.
    awaitable<result<urgent_piece>> read(boost::asio::mutable_buffer into);
    /// The same without waiting; `errc::would_block` when nothing has arrived.
    result<urgent_piece> try_read(boost::asio::mutable_buffer into);

    /// The stream that it owns; an empty handle when it borrows one.
    tcp_stream& stream() noexcept { return owned_; }

  private:
    urgent_reader(const tcp_stream& stream, urgent_extent extent, bool);
    std::shared_ptr<detail::urgent_reader_state> state_;
    tcp_stream owned_;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/urgent.ipp>
#endif

#endif