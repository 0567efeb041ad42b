// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_POINTS_HPP
#define PORTUNUS_CHANNEL_IMPL_POINTS_HPP

#include <portunus/channel/points.hpp>

#include <portunus/json/read.hpp>
#include <portunus/json/write.hpp>

#include <array>
#include <utility>

namespace portunus {
namespace detail {

template <class Codec, class T>
result<void> encode_value(const Codec& codec, std::string& out, const message_view& head, const T& value) {
    const std::size_t before = out.size();
    const std::size_t start = codec.begin(out, head);
    if (auto written = json::write(out, value); !written) [[unlikely]] {
        out.resize(before);
        return written;
    }
    codec.finish(out, start);
    return {};
}

/// Of a point's own error the reader wants to know which point it was.
PORTUNUS_DECL error of_point(error e, service_id service, data_id id);

template <class T>
result<void> decode_value(const message_view& m, T& into) {
    if constexpr (std::same_as<T, std::monostate>) {
        return {};
    } else {
        auto read = json::read_into(m.data, into);
        if (!read) [[unlikely]]
            return of_point(read.error(), m.service, m.id);
        return read;
    }
}

} // namespace detail

template <data_point... P>
constexpr bool points_are_distinct(const P&... points) noexcept {
    const std::array<std::pair<service_id, data_id>, sizeof...(P)> all{
        std::pair<service_id, data_id>(points.service, points.id)...};
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (all[i].first == all[j].first && all[i].second == all[j].second) return false;
    return true;
}

template <message_codec Codec, data_point Point>
result<void> encode_request(const Codec& codec, std::string& out, const Point& point,
                            const typename Point::request_type& value) {
    return detail::encode_value(codec, out, message_view{message_status::okay, point.service, point.id, {}},
                                value);
}

template <message_codec Codec, data_point Point>
requires std::same_as<typename Point::request_type, std::monostate>
void encode_request(const Codec& codec, std::string& out, const Point& point) {
    codec.encode(out, message_view{message_status::okay, point.service, point.id, "null"});
}

template <message_codec Codec, data_point Point>
result<void> encode_reply(const Codec& codec, std::string& out, service_id response, const Point& point,
                          const typename Point::reply_type& value) {
    return detail::encode_value(codec, out, message_view{message_status::okay, response, point.id, {}},
                                value);
}

template <data_point Point>
result<void> decode_request(const Point&, const message_view& request, typename Point::request_type& into) {
    return detail::decode_value(request, into);
}

template <data_point Point>
result<typename Point::request_type> decode_request(const Point& point, const message_view& request) {
    typename Point::request_type value{};
    if (auto read = decode_request(point, request, value); !read) [[unlikely]]
        return read.error();
    return value;
}

template <data_point Point>
result<void> decode_reply(const Point&, const message_view& reply, typename Point::reply_type& into) {
    if (reply.status != message_status::okay) [[unlikely]]
        return status_error(reply);
    return detail::decode_value(reply, into);
}

template <data_point Point>
result<typename Point::reply_type> decode_reply(const Point& point, const message_view& reply) {
    typename Point::reply_type value{};
    if (auto read = decode_reply(point, reply, value); !read) [[unlikely]]
        return read.error();
    return value;
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/channel/impl/points.ipp>
#endif

#endif
