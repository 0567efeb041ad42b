// Messages a line each, in the batch loop of a framed_stream. What differs is who takes the JSON apart: a
// typed point of Portunus; Portunus the message and Boost.JSON its data; Boost.JSON all of it.
#include "message_points.hpp"
#include "peer_support.hpp"

#include <portunus/framing/line_codec.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

using namespace portunus;

namespace {

struct untyped_answers {
    bool take(std::string_view line, std::string& out) {
        const json_lines codec;
        const auto m = codec.decode(line);
        if (!m || m->service != messages::point.service || m->id != messages::point.id) return false;
        data_.clear();
        if (!messages::answer_data_by_tree(m->data, data_)) return false;
        codec.encode(out, {message_status::okay, service_id{messages::answer_service}, m->id, data_});
        return true;
    }
    std::string data_{};
};

struct tree_answers {
    bool take(std::string_view line, std::string& out) { return messages::answer_by_tree(line, out); }
};

template <class Answers>
awaitable<void> serve(tcp_stream peer) {
    framed_stream frames(std::move(peer), line_codec(line_mode::lf));
    Answers answers;
    std::string text;
    while (auto batch = co_await frames.read_batch()) {
        for (std::string_view line : *batch) {
            text.clear();
            if (!answers.take(line, text) || !frames.queue(text)) co_return;
        }
        auto sent = co_await frames.flush();
        if (!sent) break;
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto mode = peer::parse_mode(argc, argv, {"typed", "untyped", "tree"});
    runtime rt;
    listener_options door;
    door.ports = port_list(0);
    door.addresses = {boost::asio::ip::address_v4::loopback()};
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8");
    const auto serve_with = [&](auto session) { peer::announce_port(rt.listen(door, session).port()); };
    if (mode == "typed") serve_with(&serve<messages::typed_answers>);
    if (mode == "untyped") serve_with(&serve<untyped_answers>);
    if (mode == "tree") serve_with(&serve<tree_answers>);
    return rt.run_until_signal(std::chrono::seconds(1));
}
