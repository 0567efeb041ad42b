// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_POINTS_HPP
#define PORTUNUS_CHANNEL_POINTS_HPP

#include <portunus/channel/message.hpp>
#include <portunus/channel/message_codec.hpp>
#include <portunus/channel/services.hpp>
#include <portunus/core/result.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <variant>

/// \file
/// Data points with types: what a number means is written once, in a header that both ends include.
///
///     struct reading { std::string room; double celsius = 0; bool ok = false; };
///     BOOST_DESCRIBE_STRUCT(reading, (), (room, celsius, ok))
///
///     inline constexpr read_of<reading> temperature(data_id(7));
///     inline constexpr write_of<double> set_point(data_id(7)); // another service, so another point
///     inline constexpr execute_of<std::vector<std::string>, int> restart(data_id(1));
///     static_assert(points_are_distinct(temperature, set_point, restart));
///
/// A channel takes them as they are (`request(temperature)`, `handle(temperature, ...)`). The functions below
/// are what it does with them, for whoever has a transport of his own: they turn values into messages and
/// back, and wait for nothing. The types are those of `json::read`; `std::monostate` stands for no value,
/// which is null on its way out and anything on its way in, since peers fill that place with what they like.

namespace portunus {

/// A typed data point: two numbers, and what its requests and its answers carry.
template <class P>
concept data_point = requires(const P& p) {
    typename P::request_type;
    typename P::reply_type;
    { p.service } -> std::convertible_to<service_id>;
    { p.id } -> std::convertible_to<data_id>;
};

/// Something to ask for: no value goes out, a T comes back.
template <class T>
struct read_of {
    using request_type = std::monostate;
    using reply_type = T;

    data_id id;
    service_id service;

    explicit constexpr read_of(data_id what, service_id request = service_id::read_request) noexcept
        : id(what), service(request) {}
};

/// Something to set: a T goes out, and the status of the answer tells how it went.
template <class T>
struct write_of {
    using request_type = T;
    using reply_type = std::monostate;

    data_id id;
    service_id service;

    explicit constexpr write_of(data_id what, service_id request = service_id::write_request) noexcept
        : id(what), service(request) {}
};

/// Something to do: an In goes out, an Out comes back. `void` for neither.
template <class In = void, class Out = void>
struct execute_of {
    using request_type = std::conditional_t<std::is_void_v<In>, std::monostate, In>;
    using reply_type = std::conditional_t<std::is_void_v<Out>, std::monostate, Out>;

    data_id id;
    service_id service;

    explicit constexpr execute_of(data_id what, service_id request = service_id::execute_request) noexcept
        : id(what), service(request) {}
};

/// Whether no two points have the same service and data id: `static_assert(points_are_distinct(a, b, c))`.
template <data_point... P>
constexpr bool points_are_distinct(const P&... points) noexcept;

/// Appends the request for `point`. `errc::unencodable_payload` when JSON cannot carry the value (NaN, text
/// that is no UTF-8), with the path of the field; then `out` is as it was.
template <message_codec Codec, data_point Point>
[[nodiscard]] result<void> encode_request(const Codec& codec, std::string& out, const Point& point,
                                          const typename Point::request_type& value);
/// The same for a point whose requests carry nothing, which cannot fail.
template <message_codec Codec, data_point Point>
requires std::same_as<typename Point::request_type, std::monostate>
void encode_request(const Codec& codec, std::string& out, const Point& point);

/// Appends the answer okay with a value. \param response the number that answers the point's service:
/// `service_table::response_of`.
template <message_codec Codec, data_point Point>
[[nodiscard]] result<void> encode_reply(const Codec& codec, std::string& out, service_id response,
                                        const Point& point, const typename Point::reply_type& value);

/// The value that a request for `point` carries. `errc::malformed_data` with the path of the field.
template <data_point Point>
[[nodiscard]] result<typename Point::request_type> decode_request(const Point& point,
                                                                  const message_view& request);
/// Into a value that is there and keeps its memory: see `json::read_into`.
template <data_point Point>
[[nodiscard]] result<void> decode_request(const Point& point, const message_view& request,
                                          typename Point::request_type& into);

/// The value that the answer to a request for `point` carries; what `status_error` says when it is not okay,
/// or `errc::malformed_data` with the path of the field.
template <data_point Point>
[[nodiscard]] result<typename Point::reply_type> decode_reply(const Point& point, const message_view& reply);
template <data_point Point>
[[nodiscard]] result<void> decode_reply(const Point& point, const message_view& reply,
                                        typename Point::reply_type& into);

/// What an answer's status means to the one who asked: nothing for okay, `errc::unauthenticated` for
/// auth_required, `errc::denied` for operation_not_permitted, else `errc::remote_error`. The detail names the
/// status and the point.
PORTUNUS_DECL error status_error(const message_view& reply);

} // namespace portunus

#include <portunus/channel/impl/points.hpp>

#endif
