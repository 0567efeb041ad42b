// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_MESSAGE_HPP
#define PORTUNUS_CHANNEL_MESSAGE_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

/// \file
/// What two ends of a channel send each other: four fields, three numbers and a JSON value. Rows S-1 to S-4.

namespace portunus {

/// What kind of message it is: a request to read, the answer to it, ... Any number is allowed; these are the
/// ones that every channel knows. A program makes its own by `service_id(40)` and tells them to its
/// `service_table`.
enum class service_id : std::uint32_t {
    auth_request = 0,
    auth_response = 1,
    channel_name_request = 8,
    channel_name_response = 9,
    read_request = 10,
    read_response = 11,
    write_request = 20,
    write_response = 21,
    execute_request = 30,
    execute_response = 31,
};

/// What the message is about. The numbers belong to the program, `data_id(7)`, but for those of the two
/// services that the library serves itself. (Under read, write and execute 0 is free.)
enum class data_id : std::uint32_t {
    auth_seed = 0,    ///< under auth_request and auth_response
    auth_key = 1,     ///< under auth_request and auth_response
    channel_name = 0, ///< under channel_name_request and channel_name_response
};

/// How it went. Requests carry `okay`. Any number is allowed; a program names its own in its `service_table`.
enum class message_status : std::uint32_t {
    okay = 0,
    buffering_unhandled_request = 1, ///< nobody handles it: it is kept for `receive`
    callback_error = 2,              ///< the handler failed
    auth_required = 3,               ///< not before the peer has proved who it is
    service_or_data_unknown = 4,
    checksum_error = 5,
    operation_not_permitted = 6,
};

/// A message in somebody else's memory: what a codec decodes, and what it encodes.
///
/// `data` is the text of one JSON value, "null" where there is none. A codec has looked at every byte of what
/// it decodes: it is UTF-8 and JSON, nested no deeper than `json::max_depth`. What a program puts there
/// itself comes from `json::write`, or has passed `json::validate`; nothing looks at it again on its way out.
struct message_view {
    message_status status = message_status::okay;
    service_id service = service_id::auth_request;
    data_id id = data_id::auth_seed;
    std::string_view data = "null";

    friend bool operator==(const message_view&, const message_view&) = default;
};

/// A message that owns its data: what is kept beyond the buffer that it came in.
struct message {
    message_status status = message_status::okay;
    service_id service = service_id::auth_request;
    data_id id = data_id::auth_seed;
    std::string data = "null";

    message() = default;
    message(message_status s, service_id request, data_id what, std::string json)
        : status(s), service(request), id(what), data(std::move(json)) {}
    explicit message(const message_view& from)
        : status(from.status), service(from.service), id(from.id), data(from.data) {}

    /// Valid as long as this message is there and unchanged.
    message_view view() const noexcept { return {status, service, id, data}; }
    operator message_view() const noexcept { return view(); } // NOLINT: a message can be looked at

    friend bool operator==(const message&, const message&) = default;
};

} // namespace portunus

#endif
