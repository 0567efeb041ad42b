// HTTP by Portunus as its documentation says to write it: a runtime, routes, a handler. Nothing here is tuned
// for the benchmark; every limit has its default.

#include "peer_support.hpp"

#include <portunus/core/runtime.hpp>
#include <portunus/http/server.hpp>

using namespace portunus;

namespace {

http::response hello(http::request&) {
    return http::response("Hello, World!", http::media::text);
}

} // namespace

int main(int argc, char** argv) {
    peer::parse_mode(argc, argv, {"http"});
    runtime rt;
    http::server_options options;
    options.door.ports = port_list(0);
    options.door.addresses = {boost::asio::ip::address_v4::loopback()};
    options.door.policy = accept_policy::deny_all().allow("127.0.0.0/8");
    options.door.limits.max_connections = 20'000;
    http::router<http::handler> routes;
    routes.add(http::verb::get, "/hello", &hello);
    peer::announce_port(http::serve(rt, options, std::move(routes)).port());
    return rt.run_until_signal(std::chrono::seconds(1));
}
