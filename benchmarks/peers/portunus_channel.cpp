// A server of channels as its documentation says to write it, one message a line, without authentication.
// Nothing here is tuned for the benchmark; every limit has its default.
#include "message_points.hpp"
#include "peer_support.hpp"

#include <portunus/channel/channel_server.hpp>

using namespace portunus;

namespace {

messages::answer answer_to(const messages::question& asked) {
    return {asked.room, asked.sequence, messages::tenths_of(asked.celsius)};
}

result<reply> answer_by_tree(const message_view& asked) {
    reply told;
    told.data.clear();
    if (!messages::answer_data_by_tree(asked.data, told.data)) return errc::malformed_data;
    return told;
}

} // namespace

int main(int argc, char** argv) {
    const auto mode = peer::parse_mode(argc, argv, {"typed", "untyped"});
    runtime rt;
    channel_server_options options;
    options.door.ports = port_list(0);
    options.door.addresses = {boost::asio::ip::address_v4::loopback()};
    options.door.policy = accept_policy::deny_all().allow("127.0.0.0/8");
    options.channel.framing = channel_framing::line;
    options.channel.encoding = channel_encoding::json_lines;
    const auto server = rt.listen(options, [typed = mode == "typed"](channel& c, const peer_info&) {
        if (typed)
            c.handle(messages::point, &answer_to);
        else
            c.handle(messages::point.service, messages::point.id, &answer_by_tree);
    });
    peer::announce_port(server.port());
    return rt.run_until_signal(std::chrono::seconds(1));
}
