// SPDX-License-Identifier: BSL-1.0
// A chat room in the browser: one page, and a WebSocket for everybody who has it open.
//
//     example_chat               on port 8080: open http://localhost:8080/ in several windows
//     example_chat 0             on a free port; it says which
//
// Everybody gets every message by `queue`, which never waits: who takes too little for too long, so that more
// than 256 KiB wait for him, is let go, and the others notice nothing. Pages of other sites cannot connect
// with a visitor's browser; pings keep quiet windows connected, and find those that are gone.

#include <portunus/core/runtime.hpp>
#include <portunus/http/server.hpp>
#include <portunus/http/websocket_handler.hpp>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus;
using namespace std::chrono_literals;

constexpr http::literal page = R"(<!doctype html>
<meta charset="utf-8"><title>Chat</title>
<ul id="said"></ul>
<form id="form"><input id="text" maxlength="1000" autofocus autocomplete="off"><button>Say</button></form>
<script>
const socket = new WebSocket(location.href.replace(/^http/, 'ws').replace(/\/$/, '') + '/live');
const show = text => {
    const item = document.createElement('li');
    item.textContent = text;
    document.getElementById('said').append(item);
};
socket.onmessage = message => show(message.data);
socket.onclose = event => show('closed: ' + event.code + ' ' + event.reason);
document.getElementById('form').onsubmit = event => {
    event.preventDefault();
    socket.send(text.value);
    text.value = '';
};
</script>
)";

/// Who is there. The program has one thread, so nobody needs a lock.
struct room {
    std::vector<http::websocket*> members;
    unsigned guests = 0; // so far, for their names

    void say(std::string_view text) {
        for (http::websocket* member : members)
            if (member->is_open() && !member->queue(text)) member->abort(); // too slow: its session ends
    }
};

/// Somebody is in the room as long as this exists.
class seat {
  public:
    seat(std::shared_ptr<room> in, http::websocket& who) : room_(std::move(in)), who_(&who) {
        room_->members.push_back(who_);
    }
    seat(const seat&) = delete;
    seat& operator=(const seat&) = delete;
    ~seat() { std::erase(room_->members, who_); }

  private:
    std::shared_ptr<room> room_;
    http::websocket* who_;
};

awaitable<void> chat(http::websocket socket, std::shared_ptr<room> here) {
    const seat taken(here, socket);
    const std::string name = "guest " + std::to_string(++here->guests);
    here->say(name + " has come in");
    for (;;) {
        auto message = co_await socket.read();
        if (!message) {
            std::cout << name << " has left: " << message.error().message() << std::endl;
            break;
        }
        if (message->is_text) here->say(name + ": " + std::string(message->data));
    }
    here->say(name + " has left");
    // Whoever is still connected is told when this returns.
}

int main(int argc, char** argv) try {
    runtime rt;
    http::server_options options;
    options.door.ports = port_list(argc > 1 ? argv[1] : "8080");
    options.door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");

    http::websocket_handler_options live;
    live.socket.max_message = 4096;
    live.socket.max_queued = 256 * 1024;
    const auto here = std::make_shared<room>();

    http::router<http::handler> routes;
    routes.add(http::verb::get, "/", [](http::request&) { return http::response(page); });
    routes.add(http::verb::get, "/live", http::websocket_handler(live, [here](http::websocket socket) {
                   return chat(std::move(socket), here);
               }));

    auto server = rt.listen(options, std::move(routes));
    for (const auto& endpoint : server.endpoints())
        std::cout << "http://localhost:" << endpoint.port() << std::endl;
    return rt.run_until_signal(5s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
