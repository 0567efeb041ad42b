// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_POINTS_IPP
#define PORTUNUS_CHANNEL_IMPL_POINTS_IPP

#include <portunus/channel/impl/points.hpp>

#include <cstdint>

namespace portunus {
namespace detail {

PORTUNUS_DECL std::string point_text(service_id service, data_id id) {
    return "service " + std::to_string(static_cast<std::uint32_t>(service)) + ", data " +
           std::to_string(static_cast<std::uint32_t>(id));
}

PORTUNUS_DECL error of_point(error e, service_id service, data_id id) {
    return e.with("(" + point_text(service, id) + ")");
}

} // namespace detail

PORTUNUS_DECL error status_error(const message_view& reply) {
    errc code = errc::remote_error;
    switch (reply.status) {
    case message_status::okay:
        return {};
    case message_status::auth_required:
        code = errc::unauthenticated;
        break;
    case message_status::operation_not_permitted:
        code = errc::denied;
        break;
    default:
        break;
    }
    std::string text = "status " + std::to_string(static_cast<std::uint32_t>(reply.status));
    if (const std::string_view name = default_name(reply.status); !name.empty())
        text.append(" (").append(name).append(")");
    return error(code, text + " from " + detail::point_text(reply.service, reply.id));
}

} // namespace portunus

#endif
