// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_CHANNEL_HPP
#define PORTUNUS_CHANNEL_IMPL_CHANNEL_HPP

#include <portunus/channel/channel.hpp>

#include <portunus/channel/detail/channel_core.hpp>

namespace portunus {

template <data_point Point>
requires std::same_as<typename Point::request_type, std::monostate> awaitable<reply_result<Point>>
channel::request(const Point& point, const request_options& how) {
    return detail::channel_core::ask_typed(core_, core_->prepare(point.service, point.id, how, true), point);
}
template <data_point Point>
awaitable<reply_result<Point>> channel::request(const Point& point, const typename Point::request_type& value,
                                                const request_options& how) {
    return detail::channel_core::ask_typed(core_, core_->prepare(point, value, how), point);
}

template <data_point Point, class F>
void channel::handle(const Point& point, F handler) {
    core_->handlers().set(
        point.service, point.id,
        detail::handler_ptr(new detail::typed_handler<Point, F>(point, std::move(handler))));
}
template <class F>
void channel::handle(std::optional<service_id> service, std::optional<data_id> id, F handler) {
    core_->handlers().set(service, id, detail::handler_ptr(new detail::raw_handler<F>(std::move(handler))));
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/channel/impl/channel.ipp>
#endif

#endif
