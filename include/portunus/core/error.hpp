// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_ERROR_HPP
#define PORTUNUS_CORE_ERROR_HPP

#include <portunus/core/detail/config.hpp>

#include <boost/system/errc.hpp>
#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/error_condition.hpp>

#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

/// What went wrong, as precisely as the library knows it. Failures that the operating system reports keep the
/// system's own code (ECONNRESET, ENETUNREACH, ...); `condition` below groups both kinds.
enum class errc {
    // the stream
    end_of_stream = 1, ///< the peer has sent everything and closed its direction
    partial_frame,     ///< the stream ended inside a frame; the detail tells how many bytes were left
    closed_locally,    ///< the operation met our own `close`
    aborted_locally,   ///< the operation met our own `abort`, or the destruction of the stream's handle
    replaced,          ///< a newer connection took this one's place
    shutting_down,     ///< the program stops: what had arrived was delivered, nothing more is read
    canceled,          ///< the call was cancelled and nothing had moved: the stream is still usable
    torn_write,        ///< a write ended after some of its bytes had left: the stream is not usable any more
    not_connected,     ///< there is no connection to work on
    would_block,       ///< an immediate form (`try_...`) found nothing to do
    operation_in_progress, ///< a second reader (or writer) while the first one still waits

    // time limits, one for each phase
    resolve_timeout,   ///< the name server did not answer in time
    connect_timeout,   ///< the connection was not established in time
    handshake_timeout, ///< TLS, PROXY header or authentication took too long
    idle_timeout,      ///< no byte in either direction for the idle limit
    read_timeout,      ///< a message began but was not complete in time, whatever the speed of its bytes
    write_timeout,     ///< the peer took no byte for the write limit
    drain_timeout, ///< the peer's end, or its acknowledgement, or an old session's end did not come in time

    // framing
    frame_too_large,     ///< a frame (or the length that announces it) exceeds `max_frame`
    malformed_frame,     ///< the bytes break the rules of the codec
    unencodable_payload, ///< the codec cannot carry this payload: nothing was queued

    // messages: what a frame holds. The stream goes on behind it.
    malformed_data,    ///< no JSON, or not of the expected shape; the detail names the field
    checksum_mismatch, ///< the message is not what was sent

    // capacity
    queue_full,           ///< a bounded queue has no room: nothing was queued
    too_many_connections, ///< the listener's cap, or the cap of one address, is reached
    rate_exceeded,        ///< one address connects more often than its rate allows

    // doors
    denied,                  ///< the policy refused; the detail names the rule
    address_in_use,          ///< another socket already listens there
    address_not_available,   ///< no interface of this machine has that address
    port_requires_privilege, ///< the system reserves this port for privileged programs
    no_such_interface,       ///< no interface of this machine has that name
    host_not_found,          ///< the name does not exist
    no_answer,               ///< no name server answered
    invalid_name,            ///< the text cannot be the name of a host: nobody was asked
    listener_closed,         ///< the listener was stopped

    // configuration
    invalid_port,    ///< not a port, or not a list of ports
    invalid_address, ///< not an address, prefix or range
    invalid_option,  ///< an option is out of its range; the detail quotes it

    // peers of the channel
    unauthenticated, ///< the peer has not proved who it is
    remote_error,    ///< the peer answered with an error of its own
};

/// What a program compares with when it decides what to do: `if (e == condition::timeout)`.
enum class condition {
    timeout = 1,     ///< a limit in time passed
    canceled,        ///< we asked for it
    closed,          ///< the connection is over, whoever ended it
    denied,          ///< a policy, the system or the peer refused
    malformed,       ///< the bytes, or a piece of configuration, break the rules
    too_large,       ///< a size limit was exceeded
    unauthenticated, ///< the peer has not proved who it is
    remote,          ///< the peer reported the failure
    exhausted,       ///< descriptors, memory, queue space or connection slots ran out
};

} // namespace portunus

template <>
struct boost::system::is_error_code_enum<portunus::errc> : std::true_type {};
template <>
struct boost::system::is_error_condition_enum<portunus::condition> : std::true_type {};

namespace portunus {

PORTUNUS_DECL const boost::system::error_category& library_category() noexcept;
PORTUNUS_DECL const boost::system::error_category& condition_category() noexcept;
boost::system::error_code make_error_code(errc e) noexcept;
boost::system::error_condition make_error_condition(condition c) noexcept;

/// An error: a code, and where it helps a text with the numbers, addresses and fields of this one case.
///
/// About 40 bytes; copying shares the text; the frequent ones (end of stream, cancellation, would_block) have
/// no text and allocate nothing. Compare with an `errc`, a `condition` or any Boost error code.
class [[nodiscard]] error {
  public:
    error() noexcept = default;
    error(errc e) noexcept : code_(make_error_code(e)) {}                  // NOLINT: a code is an error
    error(const boost::system::error_code& code) noexcept : code_(code) {} // NOLINT
    error(const boost::system::error_code& code, std::string detail)
        : code_(code), detail_(std::make_shared<const std::string>(std::move(detail))) {}
    error(errc e, std::string detail) : error(make_error_code(e), std::move(detail)) {}

    const boost::system::error_code& code() const noexcept { return code_; }

    /// The text of this case, empty where the code says it all.
    std::string_view detail() const noexcept {
        return detail_ ? std::string_view(*detail_) : std::string_view();
    }

    /// One line for a human: the code's meaning, then the detail.
    std::string message() const {
        std::string text = code_.message();
        if (detail_) text.append(": ").append(*detail_);
        return text;
    }

    /// The same error with `text` appended to its detail: `e.with("from 10.0.0.7:4411")`.
    error with(std::string_view text) const {
        std::string joined(detail());
        if (!joined.empty()) joined += ' ';
        joined += text;
        return error(code_, std::move(joined));
    }

    friend bool operator==(const error& e, errc c) noexcept { return e.code_ == make_error_code(c); }
    friend bool operator==(const error& e, condition c) noexcept {
        return e.code_ == make_error_condition(c);
    }
    friend bool operator==(const error& e, const boost::system::error_code& c) noexcept {
        return e.code_ == c;
    }
    friend bool operator==(const error& e, boost::system::errc::errc_t c) noexcept {
        return e.code_ == boost::system::errc::make_error_condition(c);
    }
    friend bool operator==(const error& a, const error& b) noexcept {
        return a.code_ == b.code_ && a.detail() == b.detail();
    }
    friend std::ostream& operator<<(std::ostream& out, const error& e) { return out << e.message(); }

  private:
    boost::system::error_code code_;
    std::shared_ptr<const std::string> detail_;
};

/// The exception form of an `error`: what `result<T>::value()` and throwing constructors throw.
class failure : public std::runtime_error {
  public:
    explicit failure(error e) : std::runtime_error(e.message()), reason_(std::move(e)) {}
    const error& reason() const noexcept { return reason_; }

  private:
    error reason_;
};

/// Whether the connection that reported `e` is of no further use and should be closed. The others leave it as
/// it was: a cancelled call, a full queue, a payload that the codec cannot carry, a message that makes no
/// sense, a second reader, nothing to do.
inline bool is_fatal(const error& e) noexcept {
    return !(e == errc::canceled || e == errc::queue_full || e == errc::unencodable_payload ||
             e == errc::malformed_data || e == errc::checksum_mismatch || e == errc::operation_in_progress ||
             e == errc::would_block) &&
           e.code().failed();
}

inline boost::system::error_code make_error_code(errc e) noexcept {
    return boost::system::error_code(static_cast<int>(e), library_category());
}
inline boost::system::error_condition make_error_condition(condition c) noexcept {
    return boost::system::error_condition(static_cast<int>(c), condition_category());
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/core/impl/error.ipp>
#endif

#endif
