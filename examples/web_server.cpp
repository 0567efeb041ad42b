// SPDX-License-Identifier: BSL-1.0
// A small web server: a page, a JSON interface for lamps, live news of them, files of a directory.
//
//     example_web_server                      on port 7080, files of the current directory
//     example_web_server 7080 /srv/www
//
//     curl http://127.0.0.1:7080/
//     curl http://127.0.0.1:7080/lamps/kitchen
//     curl -X PUT -d '{"on":true}' http://127.0.0.1:7080/lamps/kitchen
//     curl -N http://127.0.0.1:7080/news      what changes, as it changes
//     curl -I http://127.0.0.1:7080/files/README.md
//
// Ctrl-C ends it in good order.

#include <portunus/core/runtime.hpp>
#include <portunus/http/event_stream.hpp>
#include <portunus/http/security_headers.hpp>
#include <portunus/http/server.hpp>
#include <portunus/http/static_files.hpp>
#include <portunus/json/read.hpp>
#include <portunus/json/write.hpp>
#include <portunus/net/peer_info.hpp>

#include <boost/describe.hpp>

#include <iostream>
#include <map>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

struct lamp {
    bool on = false;
    std::optional<int> percent; // may be absent
};
BOOST_DESCRIBE_STRUCT(lamp, (), (on, percent))

struct house {
    std::map<std::string, lamp, std::less<>> lamps{{"kitchen", {}}, {"hall", {true, 40}}};
    http::event_broadcaster news;
};

http::response show(const lamp& l) {
    return http::response(http::status::ok, json::to_text(l).value(), http::media::json);
}

awaitable<http::response> set_lamp(house& home, http::request& asked) {
    const auto found = home.lamps.find(asked.parameter("name"));
    if (found == home.lamps.end()) co_return http::response(http::status::not_found);
    auto text = co_await asked.body();
    if (!text) co_return http::response(http::status::bad_request);
    const auto wanted = json::read<lamp>(*text);
    if (!wanted)
        co_return http::response(http::status::unprocessable_entity, wanted.error().message() + "\n");
    found->second = *wanted;
    home.news.publish(http::event(found->first, json::to_text(*wanted).value()));
    co_return show(*wanted);
}

int main(int argc, char** argv) try {
    house home;
    http::router<http::handler> routes;
    routes.add(http::verb::get, "/",
               [](http::request&) { return http::response("<h1>A house with lamps</h1>\n"); });
    routes.add(http::verb::get, "/lamps/{name}", [&home](http::request& asked) {
        const auto found = home.lamps.find(asked.parameter("name"));
        return found == home.lamps.end() ? http::response(http::status::not_found) : show(found->second);
    });
    routes.add(http::verb::put, "/lamps/{name}",
               [&home](http::request& asked) { return set_lamp(home, asked); });
    routes.add(http::verb::get, "/news",
               [&home](http::request& asked) { return http::event_stream(asked, home.news.subscribe()); });
    routes.add(http::verb::get, "/files/*", http::static_files(argc > 2 ? argv[2] : "."));

    runtime rt;
    http::server_options site;
    site.door.ports = port_list(argc > 1 ? argv[1] : "7080");
    site.door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    site.around = http::security_headers();
    const auto server = http::serve(rt, site, std::move(routes));
    for (const auto& where : server.endpoints())
        std::cout << "listening on " << to_string(where) << std::endl;
    const std::stop_callback goodbye(rt.stop_token(), [&home] { home.news.close(); });
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
