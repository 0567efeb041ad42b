// SPDX-License-Identifier: BSL-1.0
// What a connection is doing: ends, state, windows, queues, round trip, counters.
//
//     example_connection_status [port]                        7008
//
//     printf 'status\n' | nc -N 127.0.0.1 7008          the line of this connection, as an object of JSON
//     printf 'machine\n' | nc -N 127.0.0.1 7008         what the kernel has counted for all of TCP
//     printf 'burst 100000\n' | nc -N 127.0.0.1 7008    so many bytes; when the peer's kernel has
//     acknowledged
//                                                       them, "arrived" and the status
//
// A field that this kernel does not tell is not there. A peer that does not read its burst is reported on our
// error output once every two seconds, and stays connected.

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/status.hpp>

#include <charconv>
#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

/// Takes every field that is there, with its name: a visitor of your own is all that another form needs.
struct json_object {
    std::string text = "{";
    void operator()(std::string_view name, std::string_view value) {
        add(name, '"' + std::string(value) + '"');
    }
    void operator()(std::string_view name, std::uint64_t value) { add(name, std::to_string(value)); }
    std::string done() { return text + '}'; }

  private:
    void add(std::string_view name, const std::string& value) {
        if (text.size() > 1) text += ',';
        text.append("\"").append(name).append("\":").append(value);
    }
};

template <class Status>
std::string json_of(const Status& s) {
    json_object object;
    for_each_field(s, object);
    return object.done();
}

/// Ends with the connection, as every wait on it does.
awaitable<void> report_stalls(tcp_stream& peer) {
    while (auto stalled = co_await peer.wait_stalled(2s))
        std::cerr << to_string(peer.remote_endpoint()) << " takes nothing: " << stalled->unacknowledged
                  << " bytes are under way and " << stalled->unsent << " wait, for "
                  << stalled->lasted.count() << " ms" << std::endl;
}

/// The bytes of "burst <bytes>", at most a million; 0 for anything else.
std::size_t burst_of(std::string_view question) {
    std::size_t bytes = 0;
    if (question.substr(0, 6) == "burst ")
        std::from_chars(question.data() + 6, question.data() + question.size(), bytes);
    return std::min<std::size_t>(bytes, 1'000'000);
}

awaitable<void> answer(tcp_stream stream) {
    framed_stream frames(std::move(stream), line_codec{});
    task_group watches(frames.get_executor());
    watches.spawn(report_stalls(frames.stream()));
    while (auto line = co_await frames.read()) {
        std::string text = json_of(status(frames.stream()).value());
        if (*line == "machine") text = json_of(tcp_global_status().value());
        if (const std::size_t bytes = burst_of(*line); bytes != 0) {
            text.assign(bytes, '.');
            auto sent = co_await frames.write(text);
            if (!sent) break;
            auto arrived = co_await frames.stream().drain(1min);
            if (!arrived) break;
            text = "arrived " + json_of(status(frames.stream()).value());
        }
        auto sent = co_await frames.write(text);
        if (!sent) break;
    }
    co_await watches.stop(0s); // it borrows the stream
}

int main(int argc, char** argv) try {
    runtime rt;
    listener_options door;
    door.ports = port_list(argc > 1 ? argv[1] : "7008");
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    door.stream.user_timeout = 2min; // the kernel itself gives up a peer that takes nothing for so long
    const auto server = rt.listen(door, &answer);
    std::cout << "listening on port " << server.port() << std::endl;
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
