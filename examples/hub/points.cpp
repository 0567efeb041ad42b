// SPDX-License-Identifier: BSL-1.0
#include "points.hpp"

#include <portunus/channel/channel_secrets.hpp>
#include <portunus/net/peer_info.hpp>

#include <fstream>
#include <utility>

namespace hub {

using namespace portunus;

namespace {

std::string secret_of(const std::string& file) {
    std::ifstream in(file);
    std::string line;
    if (!std::getline(in, line) || line.empty())
        throw failure(
            error(errc::invalid_option, "--secret-file: " + file + " has no secret in its first line"));
    if (line.back() == '\r') line.pop_back();
    return line;
}

} // namespace

points::points(runtime& rt, const options& chosen, const devices& house, const commands& handle,
               journal& passing, port& at, std::string about_us)
    : points_{{"devices", "read", 1},
              {"device", "write", 1},
              {"introduction", "read", 2},
              {"command", "execute", 1}},
      house_(house), handle_(handle), passing_(passing), at_(at), introduction_(std::move(about_us)) {
    if (chosen.secret_file.empty()) return;
    channel_server_options options;
    options.door.addresses = chosen.hosts;
    options.door.ports = chosen.message_ports;
    options.door.policy = chosen.policy;
    options.door.limits.max_connections = chosen.max_connections;
    options.door.log = options.channel.log = logger(&logger::write_to_stderr, chosen.log);
    options.channel.name = "hub";
    options.channel.auth = seed_key_server(secret_of(chosen.secret_file));
    server_ = rt.listen(options, [this](channel& peer, const peer_info& who) { set_up(peer, who); });
    at_.server = *server_;
}

void points::note(std::size_t which, std::string_view who) {
    described& point = points_[which];
    point.asked.fetch_add(1, std::memory_order_relaxed);
    ++at_.messages.handled;
    ++at_.messages.answered; // by the channel, with what the handler returns
    passing_.note(at_.name, who, false, std::string(point.kind).append(" ").append(point.name));
}

void points::set_up(channel& peer, const peer_info& who) {
    const std::string name = to_string(who.remote);
    peer.handle(all_devices, [this, name] {
        note(0, name);
        return house_.all();
    });
    peer.handle(set_device, [this, name](const device_setting& wanted) -> result<void> {
        note(1, name);
        const answer said = handle_("set " + wanted.name + " " + wanted.value);
        if (said.text.starts_with("ok")) return {};
        return error(errc::denied, said.text);
    });
    peer.handle(introduction, [this, name] {
        note(2, name);
        return introduction_;
    });
    peer.handle(run_command, [this, name](const std::string& command) {
        note(3, name);
        return handle_(command).text;
    });
}

std::vector<point_state> points::all() const {
    std::vector<point_state> shown;
    if (!are_open()) return shown;
    for (const described& each : points_)
        shown.push_back({std::string(each.name), std::string(each.kind), each.id, each.asked.load()});
    return shown;
}

} // namespace hub
