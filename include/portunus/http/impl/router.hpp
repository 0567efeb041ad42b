// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_ROUTER_HPP
#define PORTUNUS_HTTP_IMPL_ROUTER_HPP

#include <portunus/http/router.hpp>

#include <portunus/http/detail/characters.hpp>
#include <portunus/http/detail/percent.hpp>

#include <algorithm>

namespace portunus::http {

inline std::string verb_set::text() const {
    std::string out;
    for (unsigned i = 1; i != 64; ++i) {
        const auto v = static_cast<verb>(i);
        if (!contains(v)) continue;
        out.append(out.empty() ? "" : ", ").append(text_of(v));
    }
    return out;
}

inline std::optional<std::string_view> route_match::raw(std::string_view name) const noexcept {
    for (std::size_t i = 0; i != parameter_count; ++i)
        if (parameters[i].name == name) return parameters[i].raw;
    return std::nullopt;
}

inline std::string route_match::operator[](std::string_view name) const {
    const auto text = raw(name);
    if (!text) return {};
    auto decoded = percent_decode(*text); // was checked when the path was matched
    return decoded ? *std::move(decoded) : std::string();
}

namespace detail {

struct route_tree::search {
    verb method;
    route_match& m;
    std::array<std::string_view, max_route_parameters> values;
};

inline std::uint32_t route_tree::child_of(std::uint32_t parent, std::string_view literal) {
    const auto less = [](const auto& entry, std::string_view text) { return entry.first < text; };
    auto& literals = nodes_[parent].literals;
    const auto place = std::lower_bound(literals.begin(), literals.end(), literal, less);
    if (place != literals.end() && place->first == literal) return place->second;
    const auto child = static_cast<std::uint32_t>(nodes_.size());
    literals.emplace(place, std::string(literal), child);
    nodes_.emplace_back(); // moves `literals`
    return child;
}

inline error route_tree::add(std::optional<verb> method, std::string_view pattern) {
    const auto refuse = [pattern](std::string problem) {
        return error(errc::invalid_option, "route " + detail::quoted(pattern) + ": " + std::move(problem));
    };
    if (method == verb::unknown)
        return refuse("the method is unknown; without a method it takes all of them");
    if (!pattern.starts_with('/')) return refuse("a pattern begins with '/'");

    // Read it whole before anything is added.
    struct part {
        std::string text;
        bool parameter;
    };
    std::vector<part> parts;
    route added{std::string(pattern), {}};
    bool star = false;
    for (std::string_view rest = pattern; !rest.empty();) {
        rest.remove_prefix(1);
        const std::string_view segment = rest.substr(0, rest.find('/'));
        rest.remove_prefix(segment.size());
        if (segment == "*") {
            if (!rest.empty()) return refuse("'*' stands at the end only");
            star = true;
            break;
        }
        if (segment.starts_with('{') && segment.ends_with('}')) {
            const std::string name(segment.substr(1, segment.size() - 2));
            if (name.empty() || !all_of(class_unreserved, name))
                return refuse("a parameter's name consists of letters, digits and \"-._~\": {id}");
            if (std::find(added.names.begin(), added.names.end(), name) != added.names.end())
                return refuse("two parameters are called " + detail::quoted(name));
            if (added.names.size() == max_route_parameters)
                return refuse("it has more than " + std::to_string(max_route_parameters) + " parameters");
            added.names.push_back(name);
            parts.push_back({name, true});
            continue;
        }
        if (segment.find_first_of("{}*?#") != std::string_view::npos)
            return refuse("segment " + quoted(segment) + " is neither a literal, nor {name}, nor '*'");
        auto literal = http::percent_decode(segment);
        if (!literal || *literal == "." || *literal == ".." || literal->size() > max_literal)
            return refuse("segment " + quoted(segment) +
                          " can never match: it is \".\", \"..\", malformed, or longer than " +
                          std::to_string(max_literal) + " bytes");
        parts.push_back({*std::move(literal), false});
    }

    std::uint32_t at = 0;
    for (const part& p : parts) {
        if (!p.parameter) {
            at = child_of(at, p.text);
            continue;
        }
        if (nodes_[at].parameter == none) {
            const auto child = static_cast<std::uint32_t>(nodes_.size());
            nodes_[at].parameter = child;
            nodes_.emplace_back();
        }
        at = nodes_[at].parameter;
    }
    auto& leaves = star ? nodes_[at].rest : nodes_[at].here;
    for (const leaf& other : leaves) {
        if (other.method != method) continue;
        const std::string which = method ? std::string(text_of(*method)) : "any method";
        return refuse("matches the same paths as " + detail::quoted(routes_[other.route].pattern) +
                      ", which takes " + which + " as well");
    }
    leaves.push_back({method, static_cast<std::uint32_t>(routes_.size())});
    routes_.push_back(std::move(added));
    return {};
}

/// Whether one of these routes takes the method; all of them are counted as allowed.
inline bool route_tree::offer(const std::vector<leaf>& leaves, std::string_view rest,
                              search& s) const noexcept {
    const leaf* best = nullptr;
    int rank = 0; // a route of the method itself, GET for HEAD, any method
    for (const leaf& l : leaves) {
        const int fits = !l.method                                          ? 1
                         : *l.method == s.method                            ? 3
                         : *l.method == verb::get && s.method == verb::head ? 2
                                                                            : 0;
        if (l.method) s.m.allowed.add(*l.method);
        if (fits > rank) {
            rank = fits;
            best = &l;
        }
    }
    if (best == nullptr) return false;
    const route& r = routes_[best->route];
    s.m.what = route_match::kind::found;
    s.m.route = best->route;
    s.m.rest = rest;
    s.m.head_from_get = rank == 2;
    s.m.parameter_count = static_cast<std::uint8_t>(r.names.size());
    for (std::size_t i = 0; i != r.names.size(); ++i) s.m.parameters[i] = {r.names[i], s.values[i]};
    return true;
}

/// `path` begins with the slash before the next segment, or is empty. The tree is as deep as its patterns, so
/// is this.
inline bool route_tree::visit(std::uint32_t at, std::string_view path, std::size_t depth,
                              search& s) const noexcept {
    const node& n = nodes_[at];
    if (path.empty()) return offer(n.here, {}, s);
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    const std::string_view behind = path.substr(segment.size());

    if (!n.literals.empty()) {
        std::array<char, max_literal> room;
        std::string_view text = segment;
        bool fits = true;
        if (segment.find('%') != std::string_view::npos) {
            const auto read = percent_decode_to(segment, room.data(), room.size(), false, false);
            fits = read.what == percent_reading::kind::fine;
            text = {room.data(), fits ? read.size : 0};
        }
        const auto less = [](const auto& entry, std::string_view t) { return entry.first < t; };
        const auto place = std::lower_bound(n.literals.begin(), n.literals.end(), text, less);
        if (fits && place != n.literals.end() && place->first == text &&
            visit(place->second, behind, depth, s))
            return true;
    }
    if (n.parameter != none && !segment.empty()) {
        s.values[depth] = segment;
        if (visit(n.parameter, behind, depth + 1, s)) return true;
    }
    return !n.rest.empty() && offer(n.rest, path, s);
}

/// What no route shall see.
inline bool is_routable(std::string_view path) noexcept {
    if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) return false;
    if (path.find('%') == std::string_view::npos && path.find("/.") == std::string_view::npos) return true;
    while (!path.empty()) {
        path.remove_prefix(1);
        const std::string_view segment = path.substr(0, path.find('/'));
        path.remove_prefix(segment.size());
        std::size_t dots = 0, others = 0;
        for (std::size_t i = 0; i != segment.size(); ++i) {
            char c = segment[i];
            if (c == '%') {
                const auto read = percent_decode_to(segment.substr(i, 3), &c, 1, false, false);
                if (read.what != percent_reading::kind::fine) return false;
                i += 2;
            }
            ++(c == '.' ? dots : others);
        }
        if (others == 0 && (dots == 1 || dots == 2)) return false;
    }
    return true;
}

inline void route_tree::match(verb method, std::string_view path, route_match& m) const noexcept {
    using kind = route_match::kind;
    if (path == "*") { // OPTIONS *: about the server
        for (const node& n : nodes_)
            for (const auto* leaves : {&n.here, &n.rest})
                for (const leaf& l : *leaves)
                    if (l.method) m.allowed.add(*l.method);
    } else if (!is_routable(path)) {
        m.what = kind::malformed;
        return;
    } else {
        search s{method, m, {}};
        if (visit(0, path, 0, s)) {
            m.allowed = {};
            return;
        }
        if (m.allowed.empty()) return;
    }
    if (m.allowed.contains(verb::get)) m.allowed.add(verb::head);
    m.allowed.add(verb::options);
    m.what = method == verb::options   ? kind::options
             : method == verb::unknown ? kind::not_implemented
                                       : kind::method_not_allowed;
}

} // namespace detail

} // namespace portunus::http

#endif
