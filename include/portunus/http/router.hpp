// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_ROUTER_HPP
#define PORTUNUS_HTTP_ROUTER_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/url.hpp>
#include <portunus/http/vocabulary.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus::http {

/// The most parameters that a pattern may have.
inline constexpr std::size_t max_route_parameters = 8;

/// A set of methods.
class verb_set {
  public:
    void add(verb v) noexcept { bits_ |= bit(v); }
    bool contains(verb v) const noexcept { return (bits_ & bit(v)) != 0; }
    bool empty() const noexcept { return bits_ == 0; }
    friend verb_set operator|(verb_set a, verb_set b) noexcept {
        a.bits_ |= b.bits_;
        return a;
    }
    friend bool operator==(verb_set, verb_set) = default;

    /// "GET, HEAD, OPTIONS": the value of an Allow field.
    std::string text() const;

  private:
    static constexpr std::uint64_t bit(verb v) noexcept {
        return std::uint64_t(1) << static_cast<unsigned>(v);
    }
    std::uint64_t bits_ = 0;
};

/// What a router decided. Views into the path and the router.
struct route_match {
    enum class kind : std::uint8_t {
        found,
        not_found,          ///< 404
        method_not_allowed, ///< 405, with `allowed` in Allow
        options,            ///< OPTIONS that nobody handles: 204, with `allowed` in Allow
        not_implemented,    ///< 501: a method without a name in Beast, and no route that takes any
        malformed,          ///< 400: broken encoding, %00, or segments "." and ".."
    };
    struct parameter {
        std::string_view name{};
        std::string_view raw{}; ///< as it stands in the path
    };

    kind what = kind::not_found;
    bool head_from_get = false; ///< HEAD was asked for and the handler is the one of GET: send no body
    std::uint8_t parameter_count = 0;
    std::size_t route = 0;   ///< the number of the route, in the order in which they were added
    std::string_view rest{}; ///< what a trailing '*' stands for, not decoded; may contain slashes
    verb_set allowed{};
    std::array<parameter, max_route_parameters> parameters;

    /// The raw text of a parameter of the pattern; nothing when it has none of that name.
    std::optional<std::string_view> raw(std::string_view name) const noexcept;
    /// Decoded; the empty text when the pattern has none of that name.
    std::string operator[](std::string_view name) const;
};

namespace detail {

/// The tree of segments. Knows numbers of routes and nothing of handlers.
class route_tree {
  public:
    route_tree() : nodes_(1) {}

    /// \param any takes every method that has no route of its own there.
    error add(std::optional<verb> method, std::string_view pattern);
    void match(verb method, std::string_view path, route_match& m) const noexcept;
    std::size_t size() const noexcept { return routes_.size(); }
    std::string_view pattern(std::size_t number) const noexcept { return routes_[number].pattern; }

  private:
    static constexpr std::uint32_t none = 0xffffffff;
    static constexpr std::size_t max_literal = 255;

    struct leaf {
        std::optional<verb> method; // nothing: any
        std::uint32_t route;
    };
    struct node {
        std::vector<std::pair<std::string, std::uint32_t>> literals{}; // sorted
        std::uint32_t parameter = none;
        std::vector<leaf> here{}; // patterns that end here
        std::vector<leaf> rest{}; // patterns that end with '*' here
    };
    struct route {
        std::string pattern;
        std::vector<std::string> names;
    };

    struct search;
    std::uint32_t child_of(std::uint32_t parent, std::string_view literal);
    bool visit(std::uint32_t at, std::string_view path, std::size_t depth, search& s) const noexcept;
    bool offer(const std::vector<leaf>& leaves, std::string_view rest, search& s) const noexcept;

    std::vector<node> nodes_;
    std::deque<route> routes_; // names are viewed by matches, so they stay where they are
};

} // namespace detail

/// Which handler a request belongs to, by method and path.
///
///     router<handler> routes;
///     routes.add(verb::get, "/lamps/{id}", show_lamp);
///     routes.add(verb::get, "/files/*", send_file);
///     routes.add("/echo", echo);                                // any method
///
///     const route_match m = routes.match(head.method(), head.path());
///     if (m.what == route_match::kind::found) routes[m](request, m["id"], m.rest);
///
/// | pattern | matches |
/// |---|---|
/// | `/lamps` | that path; `/lamps/` is another one |
/// | `/lamps/{id}` | one segment that is not empty, named `id` |
/// | `/files/*` | everything that begins with `/files/`, which itself belongs to it |
///
/// - Paths are compared segment by segment, each decoded: `/l%61mps` is `/lamps`, and `%2F` is no separator.
/// A path with
///   broken encoding, %00, "." or ".." is malformed; who wants those resolved calls `normalise_path` before.
/// - A literal segment goes before a parameter, and that before '*', from left to right. A route counts only
/// when it takes
///   the method; so GET /lamps/{id} and DELETE /lamps/all live beside each other.
/// - HEAD is answered by GET's handler, and OPTIONS by the list of methods, where they have no route.
/// - Two patterns that match the same paths with the same method are an error when the second one is added,
/// whatever the
///   names of their parameters.
///
/// Matching allocates nothing, takes no lock and looks at each node of the tree at most once. Adding is for
/// the start of the program: no match may run meanwhile.
template <class Handler>
class router {
  public:
    /// Throws `failure` where `try_add` returns the error.
    router& add(verb method, std::string_view pattern, Handler handler) {
        if (error e = try_add(method, pattern, std::move(handler)); e.code().failed())
            throw failure(std::move(e));
        return *this;
    }
    router& add(std::string_view pattern, Handler handler) {
        if (error e = try_add(std::nullopt, pattern, std::move(handler)); e.code().failed())
            throw failure(std::move(e));
        return *this;
    }

    /// `errc::invalid_option` for a pattern that is malformed, or matches what another one does; nothing was
    /// added then. \param method nothing: every method that has no route of its own there.
    [[nodiscard]] error try_add(std::optional<verb> method, std::string_view pattern, Handler handler) {
        error e = tree_.add(method, pattern);
        if (!e.code().failed()) handlers_.push_back(std::move(handler));
        return e;
    }

    /// \param path of the request, without the query, as it came. Views in the answer refer to it.
    route_match match(verb method, std::string_view path) const noexcept {
        route_match m;
        tree_.match(method, path, m);
        return m;
    }

    /// The handler of a match that was found.
    const Handler& operator[](const route_match& m) const noexcept { return handlers_[m.route]; }
    Handler& operator[](const route_match& m) noexcept { return handlers_[m.route]; }

    std::size_t size() const noexcept { return handlers_.size(); }
    /// The pattern of the route with that number, for logs and metrics.
    std::string_view pattern(std::size_t number) const noexcept { return tree_.pattern(number); }

  private:
    detail::route_tree tree_;
    std::deque<Handler> handlers_; // of any type, without moving those that are there
};

} // namespace portunus::http

#include <portunus/http/impl/router.hpp>

#endif
