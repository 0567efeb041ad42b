// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_HANDLER_HPP
#define PORTUNUS_CHANNEL_CHANNEL_HANDLER_HPP

#include <portunus/channel/message.hpp>
#include <portunus/channel/points.hpp>
#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/json/write.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <concepts>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace portunus {

/// What a handler answers: a status, and the JSON text of the data. Row S-12.
struct reply {
    message_status status = message_status::okay;
    std::string data = "null";

    reply() = default;
    reply(message_status s, std::string json = "null") : status(s), data(std::move(json)) {} // NOLINT
};

namespace detail {

/// How a handler ended: what goes out, and what stays here, in the log.
struct handled {
    message_status status = message_status::okay;
    error why{};
};

inline handled not_handled(error why) {
    const auto status = why == errc::denied            ? message_status::operation_not_permitted
                        : why == errc::unauthenticated ? message_status::auth_required
                                                       : message_status::callback_error;
    return {status, std::move(why)};
}

/// A handler of messages, whatever it was made from. For one context.
class message_handler : public boost::intrusive_ref_counter<message_handler, boost::thread_unsafe_counter> {
  public:
    virtual ~message_handler() = default;
    /// Whether it is a coroutine.
    virtual bool waits() const noexcept = 0;
    /// A plain one: appends the JSON of its answer.
    virtual handled answer(const message_view& request, std::string& json) = 0;
    /// A coroutine: the same, with a request and a text that live longer than it.
    virtual awaitable<handled> run(const message& request, std::string& json) = 0;
};
using handler_ptr = boost::intrusive_ptr<message_handler>;

template <class T>
struct awaited {
    using type = T;
    static constexpr bool waits = false;
};
template <class T>
struct awaited<awaitable<T>> {
    using type = T;
    static constexpr bool waits = true;
};

/// What a handler returned becomes an answer.
inline handled answer_with(std::string& json, const reply& r) {
    json += r.data;
    return {r.status, {}};
}
inline handled answer_with(std::string& json, std::monostate) {
    json += "null";
    return {};
}
template <class T>
handled answer_with(std::string& json, const T& value) {
    if (auto written = json::write(json, value); !written) return not_handled(written.error());
    return {};
}
template <class T>
handled answer_with(std::string& json, const result<T>& value) {
    if (!value) return not_handled(value.error());
    if constexpr (std::is_void_v<T>)
        return answer_with(json, std::monostate());
    else
        return answer_with(json, *value);
}

/// A handler without a type: row S-19, one that returns nothing to a request has failed.
template <class F>
class raw_handler final : public message_handler {
    static constexpr bool by_view = std::invocable<F&, const message_view&>;
    using returned = typename std::conditional_t<by_view, std::invoke_result<F&, const message_view&>,
                                                 std::invoke_result<F&, message>>::type;
    static constexpr bool is_coroutine = awaited<returned>::waits;
    static_assert(!is_coroutine || std::invocable<F&, message>,
                  "a handler that is a coroutine takes the message by value: awaitable<reply>(message)");
    using value = typename awaited<returned>::type;
    static_assert(std::same_as<value, reply> || std::same_as<value, result<reply>> || std::is_void_v<value>,
                  "a handler returns reply{status, json}, result<reply>, or nothing where no answer is due");

  public:
    explicit raw_handler(F f) : f_(std::move(f)) {}
    bool waits() const noexcept override { return is_coroutine; }

    handled answer(const message_view& request, std::string& json) override {
        if constexpr (!is_coroutine) {
            if constexpr (std::is_void_v<value>) {
                call(request);
                return {message_status::callback_error, {}};
            } else {
                return answer_with(json, call(request));
            }
        }
        (void)request, (void)json;
        return {};
    }
    awaitable<handled> run([[maybe_unused]] const message& request, std::string& json) override {
        if constexpr (is_coroutine) {
            message mine = request;
            if constexpr (std::is_void_v<value>) {
                co_await f_(std::move(mine));
                co_return handled{message_status::callback_error, {}};
            } else {
                value given = co_await f_(std::move(mine));
                co_return answer_with(json, given);
            }
        }
        (void)json;
        co_return handled{};
    }

  private:
    decltype(auto) call(const message_view& request) {
        if constexpr (by_view)
            return f_(request);
        else
            return f_(message(request));
    }
    F f_;
};

/// A handler of a typed point.
template <data_point Point, class F>
class typed_handler final : public message_handler {
    using in_type = typename Point::request_type;
    using out_type = typename Point::reply_type;
    static constexpr bool takes_value = !std::same_as<in_type, std::monostate>;
    using returned = typename std::conditional_t<takes_value, std::invoke_result<F&, in_type>,
                                                 std::invoke_result<F&>>::type;
    static constexpr bool is_coroutine = awaited<returned>::waits;
    using value = typename awaited<returned>::type;

  public:
    typed_handler(const Point& point, F f) : point_(point), f_(std::move(f)) {}
    bool waits() const noexcept override { return is_coroutine; }

    handled answer(const message_view& request, std::string& json) override {
        if constexpr (!is_coroutine) {
            if constexpr (takes_value) {
                if (auto read = decode_request(point_, request, in_); !read) return not_handled(read.error());
                if constexpr (std::invocable<F&, const in_type&>)
                    return put(json, [this]() -> returned { return f_(std::as_const(in_)); });
                else
                    return put(json, [this]() -> returned { return f_(in_type(in_)); });
            } else {
                return put(json, [this]() -> returned { return f_(); });
            }
        }
        (void)request, (void)json;
        return {};
    }
    awaitable<handled> run([[maybe_unused]] const message& request, std::string& json) override {
        if constexpr (is_coroutine) {
            in_type in{};
            if (auto read = decode_request(point_, request.view(), in); !read)
                co_return not_handled(read.error());
            auto body = start(std::move(in));
            if constexpr (std::is_void_v<value>) {
                co_await std::move(body);
                json += "null";
                co_return handled{};
            } else {
                value given = co_await std::move(body);
                co_return checked(json, given);
            }
        }
        (void)json;
        co_return handled{};
    }

  private:
    returned start(in_type in) {
        if constexpr (takes_value)
            return f_(std::move(in));
        else
            return f_();
    }
    template <class Call>
    static handled put(std::string& json, Call call) {
        if constexpr (std::is_void_v<value>) {
            call();
            json += "null";
            return {};
        } else {
            return checked(json, call());
        }
    }
    template <class V>
    static handled checked(std::string& json, const V& given) {
        if constexpr (std::same_as<out_type, std::monostate> || std::same_as<V, reply>) {
            return answer_with(json, given);
        } else if constexpr (std::convertible_to<const V&, const out_type&>) {
            return answer_with(json, static_cast<const out_type&>(given));
        } else if constexpr (std::same_as<V, result<out_type>>) {
            return answer_with(json, given);
        } else {
            static_assert(std::convertible_to<V, out_type>,
                          "the handler has to return the reply_type of its point, or a result of it");
            return answer_with(json, out_type(given));
        }
    }

    Point point_;
    F f_;
    in_type in_{}; // keeps its memory from one request to the next
};

} // namespace detail
} // namespace portunus

#endif
