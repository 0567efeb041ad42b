// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_SERIAL_STREAM_HPP
#define PORTUNUS_NET_SERIAL_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/byte_stream.hpp>
#include <portunus/net/detail/descriptor_stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace portunus {

namespace detail {
class serial_state;
}

enum class serial_parity : std::uint8_t { none, even, odd, mark, space };
enum class serial_flow_control : std::uint8_t {
    none,
    hardware, ///< RTS and CTS
    software, ///< XON and XOFF: the bytes 17 and 19 cannot be carried as data then
};

/// How a serial port is set. Trivially destructible, so it may be written in place in a `co_await`
/// expression.
struct serial_options {
    /// Bits a second, one of the rates that the system has a name for: 50 to 4 000 000.
    unsigned baud{115200};
    unsigned data_bits{8}; ///< 5 to 8
    /// With one, a byte that arrives with the wrong parity is read as 0.
    serial_parity parity{serial_parity::none};
    unsigned stop_bits{1}; ///< 1 or 2
    serial_flow_control flow_control{serial_flow_control::none};
    /// Nobody else may use the port meanwhile: others that open it get EBUSY (TIOCEXCL; a privileged program
    /// does not), and others that lock it, as this library does, are refused (flock).
    bool exclusive{true};
    /// No byte in either direction for so long ends the stream (`errc::idle_timeout`). Zero: no limit, which
    /// is the default here: a port is not a connection, and a device may be silent for days.
    steady_clock::duration idle_limit{0};
    /// A line that takes no byte for so long while a write waits ends the stream (`errc::write_timeout`):
    /// flow control that never lets go, for instance. A slow line that moves is waited for.
    steady_clock::duration write_limit{std::chrono::seconds(30)};
};
static_assert(std::is_trivially_destructible_v<serial_options>);

/// The lines beside the data, as they are now.
struct modem_lines {
    bool cts{false};     ///< clear to send, from the other side
    bool dsr{false};     ///< data set ready, from the other side
    bool ring{false};    ///< from the other side
    bool carrier{false}; ///< DCD, from the other side
    bool dtr{false};     ///< data terminal ready, ours
    bool rts{false};     ///< request to send, ours
};

/// A serial port as the same kind of stream as a connection (rows ): what reads lines from a TCP
/// stream reads them from a device, and `relay` makes a port server of the two. A thin handle, move-only;
/// models `byte_stream`, and has the further functions of `tcp_stream` that make sense here.
///
///     auto port = serial_stream::open(executor, "/dev/ttyUSB0", {.baud = 9600});
///     framed_stream lines(std::move(*port), line_codec{});
///
/// Bytes are carried as they are: no echo, no translation, no line editing, no signals. What is particular:
/// - The end of the stream is the port's: the adapter was pulled out, or the other end of a pseudo-terminal
///   was closed.
/// - `shutdown_send` ends writing on this side only; there is nothing on the wire that could say so.
/// - `close` waits until what was written has left, and for no answer. Bytes that are left at its limit, or
///   when the handle is destroyed or `abort` called, are dropped: closing never waits.
/// - The settings that the port had before are restored at the end, whichever end that is.
class serial_stream : public detail::descriptor_stream {
  public:
    /// A handle without a port: operations give `errc::not_connected`.
    serial_stream() noexcept = default;

    /// Opens and sets a port; its executor must be that of an io_context. Errors, all with the path in the
    /// detail: the system's code for what cannot be opened (ENOENT, EACCES, ENXIO, ...), ENOTTY for what is
    /// no serial port, EBUSY for one that another program has to itself; `errc::invalid_option` for settings
    /// that do not exist, with those that do, or that the port did not take.
    static result<serial_stream> open(const boost::asio::any_io_executor& executor, std::string_view path,
                                      const serial_options& options = {});

    /// Changes rate, bits, parity and flow control of the open port, at once: what is still on its way leaves
    /// with the new ones. `exclusive` and the limits are not looked at. Errors as `open`; then the settings
    /// are as they were.
    result<void> configure(const serial_options& options);

    /// The path that it was opened by.
    std::string_view path() const noexcept;

    // Lines and break; all give EOPNOTSUPP where there are none, as on a pseudo-terminal.

    result<modem_lines> lines() const;
    result<void> set_dtr(bool on);
    result<void> set_rts(bool on);
    /// Holds the line in the break state until `false`.
    result<void> set_break(bool on);
    /// A break of `length`. The stream may be used meanwhile, though what is written may be lost in it.
    /// `errc::canceled` when the caller is cancelled; the break has ended then as well.
    awaitable<result<void>> send_break(steady_clock::duration length = std::chrono::milliseconds(250));

    /// Drops what has arrived and was not read: noise from before a device was ready.
    result<void> discard_input();

  private:
    friend class detail::serial_state;
    explicit serial_stream(detail::descriptor_state::pointer s) noexcept : descriptor_stream(std::move(s)) {}
};

static_assert(byte_stream<serial_stream>);

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/serial_stream.ipp>
#endif

#endif