// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_SERVICES_IPP
#define PORTUNUS_CHANNEL_IMPL_SERVICES_IPP

#include <portunus/channel/services.hpp>

#include <portunus/core/detail/config.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace portunus {
namespace detail {

/// "name (7)", or the number alone.
PORTUNUS_DECL std::string named_number(std::string_view name, std::uint32_t number) {
    if (name.empty()) return std::to_string(number);
    return std::string(name).append(" (").append(std::to_string(number)).append(")");
}

} // namespace detail

PORTUNUS_DECL std::string_view default_name(message_status status) noexcept {
    switch (status) {
    case message_status::okay:
        return "okay";
    case message_status::buffering_unhandled_request:
        return "buffering unhandled request";
    case message_status::callback_error:
        return "callback error";
    case message_status::auth_required:
        return "authentication required";
    case message_status::service_or_data_unknown:
        return "service or data unknown";
    case message_status::checksum_error:
        return "checksum error";
    case message_status::operation_not_permitted:
        return "operation not permitted";
    }
    return {};
}

PORTUNUS_DECL service_table::service_table() {
    services_ = {
        {service_id::auth_request, service_id::auth_response, "auth request", "auth response"},
        {service_id::channel_name_request, service_id::channel_name_response, "channel name request",
         "channel name response"},
        {service_id::read_request, service_id::read_response, "read request", "read response"},
        {service_id::write_request, service_id::write_response, "write request", "write response"},
        {service_id::execute_request, service_id::execute_response, "execute request", "execute response"},
    };
    for (const service_id id : {service_id::auth_request, service_id::auth_response}) {
        add_data(id, data_id::auth_seed, "seed");
        add_data(id, data_id::auth_key, "key");
    }
    for (const service_id id : {service_id::channel_name_request, service_id::channel_name_response})
        add_data(id, data_id::channel_name, "channel name");
    for (std::uint32_t number = 0;
         number <= static_cast<std::uint32_t>(message_status::operation_not_permitted); ++number)
        add_status(message_status(number), std::string(default_name(message_status(number))));
}

PORTUNUS_DECL service_table& service_table::add_service(service_id request, service_id response,
                                                        std::string request_name, std::string response_name) {
    error e = try_add_service(request, response, std::move(request_name), std::move(response_name));
    if (e.code().failed()) throw failure(std::move(e));
    return *this;
}

PORTUNUS_DECL error service_table::try_add_service(service_id request, service_id response,
                                                   std::string request_name, std::string response_name) {
    const auto number = [](std::string_view name, service_id id) {
        return detail::named_number(name, static_cast<std::uint32_t>(id));
    };
    if (request == response)
        return error(errc::invalid_option,
                     "the service " + number(request_name, request) + " would answer to itself");
    const auto taken = [&](const std::string& what, service_id id) {
        const pair& other = *with(id);
        return error(errc::invalid_option, what + " is taken by the service " +
                                               number(other.request_name, other.request) + " / " +
                                               number(other.response_name, other.response));
    };
    if (with(request)) return taken("request " + number(request_name, request), request);
    if (with(response)) return taken("response " + number(response_name, response), response);
    services_.push_back({request, response, std::move(request_name), std::move(response_name)});
    return {};
}

PORTUNUS_DECL service_table& service_table::add_data(service_id service, data_id id, std::string name) {
    const auto place =
        std::lower_bound(data_.begin(), data_.end(), std::pair(service, id),
                         [](const data_name& a, const auto& b) { return std::pair(a.service, a.id) < b; });
    if (place != data_.end() && place->service == service && place->id == id)
        place->name = std::move(name);
    else
        data_.insert(place, data_name{service, id, std::move(name)});
    return *this;
}

PORTUNUS_DECL service_table& service_table::add_data(std::span<const service_id> services, data_id id,
                                                     std::string_view name) {
    for (const service_id each : services) add_data(each, id, std::string(name));
    return *this;
}

PORTUNUS_DECL service_table& service_table::add_status(message_status status, std::string name) {
    for (status_name& each : statuses_) {
        if (each.status != status) continue;
        each.name = std::move(name);
        return *this;
    }
    statuses_.push_back({status, std::move(name)});
    return *this;
}

PORTUNUS_DECL const service_table::pair* service_table::with(service_id id) const noexcept {
    for (const pair& each : services_)
        if (each.request == id || each.response == id) return &each;
    return nullptr;
}

PORTUNUS_DECL std::optional<service_id> service_table::response_of(service_id request) const noexcept {
    for (const pair& each : services_)
        if (each.request == request) return each.response;
    return std::nullopt;
}

PORTUNUS_DECL std::optional<service_id> service_table::request_of(service_id response) const noexcept {
    for (const pair& each : services_)
        if (each.response == response) return each.request;
    return std::nullopt;
}

PORTUNUS_DECL std::string_view service_table::name_of(service_id id) const noexcept {
    const pair* found = with(id);
    if (!found) return {};
    return found->request == id ? found->request_name : found->response_name;
}

PORTUNUS_DECL std::string_view service_table::name_of(service_id service, data_id id) const noexcept {
    const auto place =
        std::lower_bound(data_.begin(), data_.end(), std::pair(service, id),
                         [](const data_name& a, const auto& b) { return std::pair(a.service, a.id) < b; });
    if (place == data_.end() || place->service != service || place->id != id) return {};
    return place->name;
}

PORTUNUS_DECL std::string_view service_table::name_of(message_status status) const noexcept {
    for (const status_name& each : statuses_)
        if (each.status == status) return each.name;
    return {};
}

PORTUNUS_DECL std::string service_table::describe(service_id id) const {
    return detail::named_number(name_of(id), static_cast<std::uint32_t>(id));
}

PORTUNUS_DECL std::string service_table::describe(message_status status) const {
    return detail::named_number(name_of(status), static_cast<std::uint32_t>(status));
}

PORTUNUS_DECL std::string service_table::describe(service_id service, data_id id) const {
    const std::string_view name = name_of(service, id);
    return describe(service)
        .append(", ")
        .append(name.empty() ? "data " : "")
        .append(detail::named_number(name, static_cast<std::uint32_t>(id)));
}

PORTUNUS_DECL std::string service_table::describe(const message_view& m) const {
    return describe(m.service, m.id).append(", ").append(describe(m.status));
}

} // namespace portunus

#endif
