// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_IMPL_ERROR_IPP
#define PORTUNUS_CORE_IMPL_ERROR_IPP

#include <portunus/core/error.hpp>

#include <portunus/core/detail/config.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>
#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

namespace portunus {
namespace detail {

PORTUNUS_DECL const char* text_of(errc e) noexcept {
    switch (e) {
    case errc::end_of_stream:
        return "end of stream";
    case errc::partial_frame:
        return "the stream ended inside a frame";
    case errc::closed_locally:
        return "closed by this side";
    case errc::aborted_locally:
        return "aborted by this side";
    case errc::replaced:
        return "replaced by a newer connection";
    case errc::shutting_down:
        return "shutting down";
    case errc::canceled:
        return "canceled";
    case errc::torn_write:
        return "a write was interrupted midway";
    case errc::not_connected:
        return "not connected";
    case errc::would_block:
        return "nothing to do without waiting";
    case errc::operation_in_progress:
        return "another operation of this kind is in progress";
    case errc::resolve_timeout:
        return "resolving took longer than its limit";
    case errc::connect_timeout:
        return "connecting took longer than its limit";
    case errc::handshake_timeout:
        return "the handshake took longer than its limit";
    case errc::idle_timeout:
        return "idle for longer than the limit";
    case errc::read_timeout:
        return "a message was not complete within its limit";
    case errc::write_timeout:
        return "the peer took no data for longer than the limit";
    case errc::drain_timeout:
        return "the peer did not finish, or did not acknowledge everything, within the limit";
    case errc::frame_too_large:
        return "frame too large";
    case errc::malformed_frame:
        return "malformed frame";
    case errc::unencodable_payload:
        return "the codec cannot carry this payload";
    case errc::malformed_data:
        return "malformed data";
    case errc::checksum_mismatch:
        return "the checksum does not fit the message";
    case errc::queue_full:
        return "queue full";
    case errc::too_many_connections:
        return "too many connections";
    case errc::rate_exceeded:
        return "connecting too often";
    case errc::denied:
        return "denied";
    case errc::address_in_use:
        return "address in use";
    case errc::address_not_available:
        return "address not available on this machine";
    case errc::port_requires_privilege:
        return "the port requires privilege";
    case errc::no_such_interface:
        return "no such interface";
    case errc::host_not_found:
        return "host not found";
    case errc::no_answer:
        return "no name server answered";
    case errc::invalid_name:
        return "not the name of a host";
    case errc::listener_closed:
        return "the listener is closed";
    case errc::invalid_port:
        return "invalid port";
    case errc::invalid_address:
        return "invalid address";
    case errc::invalid_option:
        return "invalid option";
    case errc::unauthenticated:
        return "not authenticated";
    case errc::remote_error:
        return "the peer reported an error";
    }
    return "unknown error";
}

/// The group an errc belongs to; 0 where it stands for itself alone.
PORTUNUS_DECL int group_of(errc e) noexcept {
    const auto group = [](condition c) { return static_cast<int>(c); };
    switch (e) {
    case errc::resolve_timeout:
    case errc::connect_timeout:
    case errc::handshake_timeout:
    case errc::idle_timeout:
    case errc::read_timeout:
    case errc::write_timeout:
    case errc::drain_timeout:
        return group(condition::timeout);
    case errc::canceled:
    case errc::torn_write:
        return group(condition::canceled);
    case errc::end_of_stream:
    case errc::closed_locally:
    case errc::aborted_locally:
    case errc::replaced:
    case errc::shutting_down:
    case errc::not_connected:
    case errc::listener_closed:
        return group(condition::closed);
    case errc::denied:
    case errc::rate_exceeded:
    case errc::port_requires_privilege:
        return group(condition::denied);
    case errc::partial_frame:
    case errc::malformed_frame:
    case errc::unencodable_payload:
    case errc::malformed_data:
    case errc::checksum_mismatch:
    case errc::invalid_name:
    case errc::invalid_port:
    case errc::invalid_address:
    case errc::invalid_option:
        return group(condition::malformed);
    case errc::frame_too_large:
        return group(condition::too_large);
    case errc::unauthenticated:
        return group(condition::unauthenticated);
    case errc::remote_error:
        return group(condition::remote);
    case errc::queue_full:
    case errc::too_many_connections:
        return group(condition::exhausted);
    default:
        return 0;
    }
}

/// The group of a code that the operating system or Asio reported.
PORTUNUS_DECL int group_of(const boost::system::error_code& code) noexcept {
    namespace sys = boost::system::errc;
    namespace net = boost::asio::error;
    const auto group = [](condition c) { return static_cast<int>(c); };
    if (code == sys::timed_out) return group(condition::timeout);
    if (code == sys::operation_canceled) return group(condition::canceled);
    if (code == net::eof || code == sys::connection_reset || code == sys::broken_pipe ||
        code == sys::connection_aborted || code == sys::not_connected || code == sys::bad_file_descriptor)
        return group(condition::closed);
    if (code == sys::permission_denied || code == sys::operation_not_permitted ||
        code == sys::connection_refused)
        return group(condition::denied);
    if (code == sys::message_size) return group(condition::too_large);
    if (code == sys::too_many_files_open || code == sys::too_many_files_open_in_system ||
        code == sys::not_enough_memory || code == sys::no_buffer_space)
        return group(condition::exhausted);
    return 0;
}

class library_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "portunus"; }
    std::string message(int value) const override { return text_of(static_cast<errc>(value)); }
    const char* message(int value, char*, std::size_t) const noexcept override {
        return text_of(static_cast<errc>(value));
    }
};

class condition_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "portunus.condition"; }
    std::string message(int value) const override {
        switch (static_cast<condition>(value)) {
        case condition::timeout:
            return "timeout";
        case condition::canceled:
            return "canceled";
        case condition::closed:
            return "closed";
        case condition::denied:
            return "denied";
        case condition::malformed:
            return "malformed";
        case condition::too_large:
            return "too large";
        case condition::unauthenticated:
            return "unauthenticated";
        case condition::remote:
            return "remote";
        case condition::exhausted:
            return "exhausted";
        }
        return "unknown condition";
    }
    bool equivalent(const boost::system::error_code& code, int value) const noexcept override {
        const int group = code.category() == library_category() ? group_of(static_cast<errc>(code.value()))
                                                                : group_of(code);
        return group != 0 && group == value;
    }
};

} // namespace detail

PORTUNUS_DECL const boost::system::error_category& library_category() noexcept {
    static const detail::library_category_type instance;
    return instance;
}
PORTUNUS_DECL const boost::system::error_category& condition_category() noexcept {
    static const detail::condition_category_type instance;
    return instance;
}

} // namespace portunus

#endif
