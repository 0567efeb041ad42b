// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/router.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus::http;
using portunus::errc;
using kind = route_match::kind;

namespace {

/// What a match came to, in words.
std::string told(const router<std::string>& routes, verb method, std::string_view path) {
    const route_match m = routes.match(method, path);
    switch (m.what) {
    case kind::not_found:
        return "404";
    case kind::method_not_allowed:
        return "405 " + m.allowed.text();
    case kind::options:
        return "204 " + m.allowed.text();
    case kind::not_implemented:
        return "501 " + m.allowed.text();
    case kind::malformed:
        return "400";
    case kind::found:
        break;
    }
    std::string text = routes[m];
    if (m.head_from_get) text += " (head)";
    for (std::size_t i = 0; i != m.parameter_count; ++i)
        text.append(" ").append(m.parameters[i].name).append("=").append(m[m.parameters[i].name]);
    if (routes.pattern(m.route).ends_with('*')) text.append(" rest=").append(m.rest);
    return text;
}

router<std::string> lamps() {
    router<std::string> routes;
    routes.add(verb::get, "/", "home")
        .add(verb::get, "/lamps", "list")
        .add(verb::post, "/lamps", "create")
        .add(verb::get, "/lamps/{id}", "show")
        .add(verb::delete_, "/lamps/{name}", "delete")
        .add(verb::get, "/lamps/all", "all")
        .add(verb::put, "/lamps/{id}/state/{what}", "set")
        .add(verb::get, "/files/*", "file")
        .add(verb::get, "/files/readme.txt", "readme")
        .add("/echo", "echo")
        .add(verb::get, "/a b", "blank");
    return routes;
}

} // namespace

TEST_CASE("literals, parameters and the rest are matched by segments") {
    const auto routes = lamps();
    CHECK(told(routes, verb::get, "/") == "home");
    CHECK(told(routes, verb::get, "/lamps") == "list");
    CHECK(told(routes, verb::post, "/lamps") == "create");
    CHECK(told(routes, verb::get, "/lamps/17") == "show id=17");
    CHECK(told(routes, verb::delete_, "/lamps/17") == "delete name=17");
    CHECK(told(routes, verb::put, "/lamps/17/state/level") == "set id=17 what=level");
    CHECK(told(routes, verb::get, "/files/") == "file rest=");
    CHECK(told(routes, verb::get, "/files/a/b.txt") == "file rest=a/b.txt");
    CHECK(told(routes, verb::get, "/files/readme.txt") == "readme");
    CHECK(told(routes, verb::get, "/files/readme.txt/x") == "file rest=readme.txt/x");
    CHECK(told(routes, verb::get, "/files") == "404");
    CHECK(told(routes, verb::get, "/lamps/") == "404"); // a parameter is not empty
    CHECK(told(routes, verb::get, "/lamps//state/x") == "404");
    CHECK(told(routes, verb::get, "//lamps") == "404");
    CHECK(told(routes, verb::get, "/lamp") == "404");
    CHECK(told(routes, verb::get, "/Lamps") == "404");
    CHECK(told(routes, verb::get, "/lamps/17/state") == "404");
}

TEST_CASE("a literal goes before a parameter, but only with the method that was asked for") {
    const auto routes = lamps();
    CHECK(told(routes, verb::get, "/lamps/all") == "all");
    CHECK(told(routes, verb::delete_, "/lamps/all") == "delete name=all");
    CHECK(told(routes, verb::put, "/lamps/all/state/x") == "set id=all what=x"); // back from the literal
    CHECK(told(routes, verb::put, "/lamps/all") == "405 DELETE, GET, HEAD, OPTIONS");
}

TEST_CASE("segments are compared decoded, and a slash that is encoded separates nothing") {
    const auto routes = lamps();
    CHECK(told(routes, verb::get, "/l%61mps/%31") == "show id=1");
    CHECK(told(routes, verb::get, "/a%20b") == "blank");
    CHECK(told(routes, verb::get, "/lamps/a%2Fb") == "show id=a/b");
    CHECK(told(routes, verb::get, "/lamps%2F17") == "404");
    CHECK(told(routes, verb::get, "/" + std::string(300, '%')) == "400");
    std::string nines;
    for (int i = 0; i != 300; ++i) nines += "%39";
    CHECK(told(routes, verb::get, "/lamps/" + nines) == "show id=" + std::string(300, '9'));
    const route_match m = routes.match(verb::get, "/lamps/a%20b");
    CHECK(m.raw("id") == std::string_view("a%20b"));
    CHECK(m["id"] == "a b");
    CHECK_FALSE(m.raw("other"));
    CHECK(m["other"].empty());
}

TEST_CASE("a path that means something else to a file system never reaches a route") {
    const auto routes = lamps();
    for (const char* bad :
         {"/files/..", "/files/../etc", "/files/.", "/files/%2e%2e/x", "/files/.%2E", "/files/a%00b",
          "/lamps/%", "/lamps/%4", "/lamps/%zz", "/..", "lamps", "", "/files/a/./b"}) {
        INFO(bad);
        CHECK(told(routes, verb::get, bad) == "400");
    }
    CHECK(told(routes, verb::get, std::string_view("/files/a\0b", 10)) == "400");
    CHECK(told(routes, verb::get, "/files/...") == "file rest=...");
    CHECK(told(routes, verb::get, "/files/.hidden") == "file rest=.hidden");
    CHECK(told(routes, verb::get, "/files/a..b%2e") == "file rest=a..b%2e");
}

TEST_CASE("HEAD, OPTIONS and methods that nobody takes") {
    auto routes = lamps();
    CHECK(told(routes, verb::head, "/lamps/17") == "show (head) id=17");
    CHECK(told(routes, verb::options, "/lamps") == "204 GET, HEAD, POST, OPTIONS");
    CHECK(told(routes, verb::put, "/lamps") == "405 GET, HEAD, POST, OPTIONS");
    CHECK(told(routes, verb::unknown, "/lamps") == "501 GET, HEAD, POST, OPTIONS");
    CHECK(told(routes, verb::unknown, "/nothing") == "404");
    CHECK(told(routes, verb::options, "/nothing") == "404");
    CHECK(told(routes, verb::options, "*") == "204 DELETE, GET, HEAD, POST, PUT, OPTIONS");
    CHECK(told(routes, verb::unknown, "/echo") == "echo");
    CHECK(told(routes, verb::options, "/echo") == "echo");
    CHECK(told(routes, verb::head, "/echo") == "echo");
    routes.add(verb::head, "/lamps", "own head")
        .add(verb::get, "/echo", "get echo")
        .add(verb::options, "/lamps", "own options");
    CHECK(told(routes, verb::head, "/lamps") == "own head");
    CHECK(told(routes, verb::get, "/echo") == "get echo");
    CHECK(told(routes, verb::head, "/echo") == "get echo (head)");
    CHECK(told(routes, verb::post, "/echo") == "echo");
    CHECK(told(routes, verb::options, "/lamps") == "own options");
    CHECK(told(router<std::string>(), verb::get, "/") == "404");
}

TEST_CASE("patterns that are malformed or match the same paths are refused with their text") {
    auto routes = lamps();
    const auto refusal = [&](std::string_view pattern, std::optional<verb> method = verb::get) {
        const portunus::error e = routes.try_add(method, pattern, "x");
        if (!e.code().failed()) return std::string("added");
        CHECK(e == errc::invalid_option);
        return std::string(e.detail());
    };
    const std::size_t before = routes.size();
    CHECK(refusal("/lamps") ==
          "route \"/lamps\": matches the same paths as \"/lamps\", which takes GET as well");
    CHECK(refusal("/lamps/{number}") ==
          "route \"/lamps/{number}\": matches the same paths as \"/lamps/{id}\", which takes GET as well");
    CHECK(refusal("/l%61mps").starts_with("route \"/l%61mps\": matches the same paths as \"/lamps\""));
    CHECK(refusal("/echo", std::nullopt) ==
          "route \"/echo\": matches the same paths as \"/echo\", which takes any method as well");
    CHECK(refusal("/files/*").find("matches the same") != std::string::npos);
    for (const char* bad : {"",       "lamps",    "*",    "/a/*/b", "/a*",
                            "/*a",    "/{",       "/{}",  "/a{b}",  "/{b}c",
                            "/{a b}", "/{a}/{a}", "/a?b", "/a#b",   "/..",
                            "/a/.",   "/%2e",     "/%",   "/%00",   "/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}/{9}"}) {
        INFO(bad);
        CHECK(refusal(bad) != "added");
    }
    CHECK(refusal("/" + std::string(256, 'a')) != "added");
    CHECK(refusal("/x", verb::unknown) != "added");
    CHECK(routes.size() == before);
    CHECK_THROWS_AS(routes.add(verb::get, "nonsense", "x"), portunus::failure);
    CHECK(refusal("/lamps/{id}", verb::patch) == "added");
    CHECK(refusal("/" + std::string(255, 'a')) == "added");
    CHECK(refusal("/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}") == "added");
    CHECK(told(routes, verb::get, "/a/b/c/d/e/f/g/h") == "x 1=a 2=b 3=c 4=d 5=e 6=f 7=g 8=h");
}

TEST_CASE("handlers may be of a type that can only be moved") {
    router<std::unique_ptr<int>> routes;
    routes.add(verb::get, "/a", std::make_unique<int>(1)).add("/b", std::make_unique<int>(2));
    CHECK(*routes[routes.match(verb::post, "/b")] == 2);
}

TEST_CASE("a tree of routes decides like a search through all patterns") {
    // The most specific pattern that takes the method: segment by segment a literal, then a parameter, then
    // the rest.
    std::mt19937 random(17);
    const std::vector<std::string> parts = {"a", "b", "", "{p}", "{q}", "*"};
    for (int round = 0; round != 300; ++round) {
        router<std::string> routes;
        struct entry {
            verb method;
            std::string pattern;
        };
        std::vector<entry> model;
        for (int i = 0; i != 8; ++i) {
            std::string pattern;
            for (std::size_t n = 1 + random() % 3; n != 0; --n) {
                const std::string& part = parts[random() % parts.size()];
                pattern += "/" + part;
                if (part == "*") break;
            }
            const verb method = random() % 2 == 0 ? verb::get : verb::put;
            if (!routes.try_add(method, pattern, pattern).code().failed()) model.push_back({method, pattern});
        }
        const auto split = [](std::string_view path) {
            std::vector<std::string> out;
            while (!path.empty()) {
                path.remove_prefix(1);
                out.emplace_back(path.substr(0, path.find('/')));
                path.remove_prefix(out.back().size());
            }
            return out;
        };
        for (int i = 0; i != 50; ++i) {
            std::string path;
            for (std::size_t n = 1 + random() % 4; n != 0; --n)
                path += "/" + std::vector<std::string>{"a", "b", "c", ""}[random() % 4];
            const verb method = random() % 2 == 0 ? verb::get : verb::put;
            std::string best, rank;
            bool other = false;
            for (const entry& e : model) {
                const auto p = split(e.pattern), s = split(path);
                std::string how;
                bool fits = true, star = false;
                for (std::size_t k = 0; fits && k != p.size() && !star; ++k) {
                    if (k >= s.size())
                        fits = false;
                    else if (p[k] == "*")
                        star = true, how += 'c';
                    else if (p[k].starts_with("{"))
                        fits = !s[k].empty(), how += 'b';
                    else
                        fits = p[k] == s[k], how += 'a';
                }
                if (!fits || (!star && p.size() != s.size())) continue;
                if (e.method != method)
                    other = true;
                else if (best.empty() || how < rank)
                    best = e.pattern, rank = how;
            }
            const route_match m = routes.match(method, path);
            INFO(path);
            if (!best.empty()) {
                REQUIRE(m.what == kind::found);
                CHECK(routes[m] == best);
            } else {
                CHECK(m.what == (other ? kind::method_not_allowed : kind::not_found));
            }
        }
    }
}
