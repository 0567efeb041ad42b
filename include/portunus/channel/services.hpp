// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_SERVICES_HPP
#define PORTUNUS_CHANNEL_SERVICES_HPP

#include <portunus/channel/message.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace portunus {

/// What the protocol calls a status: "okay", "callback error"; empty for a number that is not its own.
PORTUNUS_DECL std::string_view default_name(message_status status) noexcept;

/// Which services there are, and what their numbers are called. Rows S-2, S-3, S-4, S-13 and S-14.
///
///     service_table services; // with auth, channel name, read, write and execute
///     services.add_service(service_id(40), service_id(41), "subscribe", "event")
///             .add_data(service_id::read_request, data_id(7), "temperature")
///             .add_status(message_status(100), "sensor is warming up");
///     services.response_of(service_id::read_request); // read_response
///
/// A service is a request number and a response number. Only requests of a service in this table are
/// answered; other messages are messages without an answer. Names are for logs and change nothing.
///
/// Looking something up allocates nothing and throws nothing; the exception is `describe`, which makes a
/// text.
class service_table {
  public:
    /// The services of row S-2 with the names of their numbers, of their data (S-3) and of the statuses
    /// (S-4).
    service_table();

    /// Throws `failure` where `try_add_service` returns the error.
    service_table& add_service(service_id request, service_id response, std::string request_name = {},
                               std::string response_name = {});

    /// `errc::invalid_option` when one of the two numbers is a request or a response already, or both are the
    /// same; the detail names both services. Nothing was added then. Names may be empty.
    [[nodiscard]] error try_add_service(service_id request, service_id response,
                                        std::string request_name = {}, std::string response_name = {});

    /// Names the data `id` of a service, or of several; a name that was there is replaced.
    service_table& add_data(service_id service, data_id id, std::string name);
    service_table& add_data(std::span<const service_id> services, data_id id, std::string_view name);
    service_table& add_status(message_status status, std::string name);

    /// The number that answers to `request`; nothing when it is no request of a service.
    std::optional<service_id> response_of(service_id request) const noexcept;
    std::optional<service_id> request_of(service_id response) const noexcept;
    bool is_request(service_id id) const noexcept { return response_of(id).has_value(); }
    bool is_response(service_id id) const noexcept { return request_of(id).has_value(); }

    /// The name that was given; empty when there is none.
    std::string_view name_of(service_id id) const noexcept;
    std::string_view name_of(service_id service, data_id id) const noexcept;
    std::string_view name_of(message_status status) const noexcept;

    /// For a log: "read request (10), temperature (7), okay (0)". Without the data, which may be a secret.
    std::string describe(const message_view& m) const;
    std::string describe(service_id service, data_id id) const;
    std::string describe(service_id id) const;
    std::string describe(message_status status) const;

  private:
    struct pair {
        service_id request;
        service_id response;
        std::string request_name;
        std::string response_name;
    };
    struct data_name {
        service_id service;
        data_id id;
        std::string name;
    };
    struct status_name {
        message_status status;
        std::string name;
    };

    const pair* with(service_id id) const noexcept;

    std::vector<pair> services_;  // a handful: searched from the front
    std::vector<data_name> data_; // sorted
    std::vector<status_name> statuses_;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/channel/impl/services.ipp>
#endif

#endif
