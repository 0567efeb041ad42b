// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_MDNS_ANNOUNCER_IPP
#define PORTUNUS_NET_IMPL_MDNS_ANNOUNCER_IPP

#include <portunus/net/mdns_announcer.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/detail/mdns_responder.hpp>
#include <portunus/net/detail/udp_state.hpp>
#include <portunus/net/interface_watch.hpp>

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <exception>
#include <optional>
#include <random>
#include <utility>

#include <unistd.h>

namespace portunus {
namespace detail {

PORTUNUS_DECL std::string machine_name() {
    char text[256] = {};
    if (::gethostname(text, sizeof text - 1) != 0) text[0] = '\0';
    std::string name(text);
    name.resize(std::min(name.find('.'), name.size()));
    const bool none = name.empty() || name == "localhost" || name == "(none)";
    return none ? std::string("host") : name.substr(0, dns::name::most_label);
}

PORTUNUS_DECL std::uint64_t random_seed() {
    std::random_device random;
    return std::uint64_t{random()} << 32 | random();
}

/// What the responder needs of the options, or what is wrong with them.
PORTUNUS_DECL result<std::vector<mdns_registration>> check_announced(mdns_announcer_options& options) {
    const auto bad_label = [](const std::string& what, const std::string& label) {
        return error(errc::invalid_name, what + " \"" + label + "\": 1 to 63 bytes are possible");
    };
    if (options.host.empty()) options.host = machine_name();
    if (options.host.size() > dns::name::most_label) return bad_label("host", options.host);
    if (std::string flaw =
            options.host.find('.') != std::string::npos ? "it is one label, without a dot" : "";
        !flaw.empty())
        return error(errc::invalid_name, "host \"" + options.host + "\": " + flaw);
    if (options.port == 0) return error(errc::invalid_port, "0 is no port of multicast DNS");
    if (options.services.size() > 64)
        return error(errc::invalid_option, std::to_string(options.services.size()) +
                                               " services, more than the 64 that are possible");
    std::vector<mdns_registration> all;
    for (mdns_service& s : options.services) {
        if (s.name.empty()) s.name = options.host;
        if (s.name.size() > dns::name::most_label) return bad_label("service", s.name);
        auto type = service_type(s.type);
        if (!type) return type.error();
        if (s.port == 0) return error(errc::invalid_port, "service \"" + s.name + "\" has port 0");
        auto text = encode_text(s.text);
        if (!text) return text.error().with("(of service \"" + s.name + "\")");
        for (const mdns_registration& other : all)
            if (other.type == *type && dns::same_label(other.instance, s.name))
                return error(errc::invalid_option, "service \"" + s.name + "\" of type " + s.type + " twice");
        all.push_back({s.name, std::move(*type), s.port, std::move(*text)});
    }
    return all;
}

} // namespace detail

class mdns_announcer::state final : private detail::mdns_responder::output,
                                    public std::enable_shared_from_this<mdns_announcer::state> {
  public:
    state(const boost::asio::any_io_executor& e, mdns_announcer_options o,
          std::vector<detail::mdns_registration> services)
        : executor(e), time(deadline_service::of(e)), options(std::move(o)),
          responder(options.host, std::move(services), options.port, detail::random_seed()), changed(e),
          due(time, this, [](void* self) { static_cast<state*>(self)->on_time(); }) {}

    result<void> open();
    void begin();
    /// With goodbyes, where they can still be sent.
    void end(error why) noexcept;
    bool is_open() const noexcept { return socket && socket->is_open(); }

    static awaitable<result<void>> ready(std::shared_ptr<state> s, steady_clock::duration limit);

    boost::asio::any_io_executor executor;
    deadline_service& time;
    mdns_announcer_options options;
    detail::mdns_responder responder;
    mdns_counters counts;
    error cause; // why it has ended

  private:
    void send(const detail::mdns_link& by, const std::optional<boost::asio::ip::udp::endpoint>& to,
              std::string_view bytes) override;
    void renamed(std::size_t claim, const std::string& before, const std::string& now) override;

    void on_time();
    void arm();
    result<void> refresh();
    void take(const datagram& d);
    static awaitable<void> receive(std::shared_ptr<state> s);
    static awaitable<void> follow(std::shared_ptr<state> s);

    std::optional<udp_socket> socket;
    std::optional<interface_watch> watch;
    std::vector<network_interface> present;
    std::vector<std::pair<std::uint32_t, bool>> joined, refused; // interface and family
    detail::event changed;
    deadline due;
};

PORTUNUS_DECL result<void> mdns_announcer::state::open() {
    for (const std::string& name : options.interfaces)
        if (auto there = find_interface(name); !there) return there.error();
    udp_options door;
    door.ports = options.port;
    door.reuse = true;
    door.policy = accept_policy::anyone();
    door.max_datagram = detail::dns::most_message;
    door.hops = door.multicast_hops = 255; // RFC 6762 11
    door.log = options.log;
    auto opened = udp_socket::open(executor, std::move(door));
    if (!opened) return opened.error();
    socket.emplace(std::move(*opened));
    auto watching = interface_watch::open(executor); // before the look, so that nothing is missed between
    if (!watching) return watching.error();
    watch.emplace(std::move(*watching));
    return refresh();
}

PORTUNUS_DECL void mdns_announcer::state::begin() {
    const auto ended = [s = shared_from_this()](std::exception_ptr thrown) {
        if (thrown) s->end(error(boost::asio::error::no_memory, "the announcer of " + s->options.host));
    };
    boost::asio::co_spawn(executor, receive(shared_from_this()), ended);
    boost::asio::co_spawn(executor, follow(shared_from_this()), ended);
}

PORTUNUS_DECL void mdns_announcer::state::end(error why) noexcept {
    if (!is_open() && cause.code().failed()) return;
    try {
        if (is_open()) responder.goodbye(*this);
    } catch (const std::exception&) { // no memory: then the others find out by themselves
    }
    cause = std::move(why);
    due.disarm();
    if (socket) socket->close();
    if (watch) watch->close();
    changed.notify();
}

PORTUNUS_DECL result<void> mdns_announcer::state::refresh() {
    auto now_present = interfaces();
    if (!now_present) return now_present.error();
    present = std::move(*now_present);
    std::vector<detail::mdns_link> links;
    std::vector<boost::asio::ip::address> own;
    for (const network_interface& i : present) {
        for (const interface_address& a : i.addresses) {
            auto bare = a.address;
            if (bare.is_v6()) bare = boost::asio::ip::address_v6(bare.to_v6().to_bytes());
            own.push_back(bare);
        }
        const bool meant = options.interfaces.all() ? detail::suits_mdns(i)
                                                    : i.usable() && options.interfaces.matches(i.name);
        if (meant) detail::append_links(links, i);
    }
    const auto has = [](const auto& list, const std::pair<std::uint32_t, bool>& key) {
        return std::find(list.begin(), list.end(), key) != list.end();
    };
    std::erase_if(links, [&](const detail::mdns_link& l) {
        const std::pair key(l.index, l.v6);
        if (has(joined, key)) return false;
        auto member = socket->join(detail::mdns_group_address(l.v6), l.index);
        if (member) {
            joined.push_back(key);
            return false;
        }
        if (!has(refused, key)) {
            refused.push_back(key);
            const std::string text = member.error().message();
            options.log(log_level::warning, "names are not announced on an interface",
                        {{"interface", l.interface}, {"error", text}});
        }
        return true;
    });
    const auto gone = [this](const std::pair<std::uint32_t, bool>& key) {
        return std::none_of(present.begin(), present.end(),
                            [&key](const network_interface& i) { return i.index == key.first; });
    };
    for (const auto& key : joined)
        if (gone(key)) (void)socket->leave(detail::mdns_group_address(key.second), key.first);
    std::erase_if(joined, gone);
    std::erase_if(refused, gone);
    responder.set_links(links, std::move(own), time.now());
    arm();
    return {};
}

PORTUNUS_DECL void mdns_announcer::state::arm() {
    if (!is_open()) return;
    const auto next = responder.next();
    if (next)
        due.arm_at(*next);
    else
        due.disarm();
}

PORTUNUS_DECL void mdns_announcer::state::on_time() {
    responder.run(time.now(), *this);
    arm();
    changed.notify();
}

PORTUNUS_DECL void mdns_announcer::state::send(const detail::mdns_link& by,
                                               const std::optional<boost::asio::ip::udp::endpoint>& to,
                                               std::string_view bytes) {
    datagram_source from;
    from.interface = by.index;
    auto sent = socket->try_send_from(from, to ? *to : detail::mdns_group(by, options.port), bytes);
    ++(sent ? counts.sent : counts.unsent); // the next question, or announcement, makes up for it
}

PORTUNUS_DECL void mdns_announcer::state::renamed(std::size_t claim, const std::string& before,
                                                  const std::string& now) {
    options.log(log_level::info, claim == 0 ? "the host's name is taken" : "the service's name is taken",
                {{"before", before}, {"now", now}});
    if (!options.on_renamed) return;
    try {
        options.on_renamed(before, now);
    } catch (...) {
        options.log(log_level::error, "an exception left on_renamed");
    }
}

PORTUNUS_DECL void mdns_announcer::state::take(const datagram& d) {
    namespace dns = detail::dns;
    dns::flaw wrong;
    if (d.truncated || !dns::message::check(d.bytes, wrong)) {
        ++counts.malformed;
        return;
    }
    // What was written to us alone may come from anywhere (RFC 6762 5.5, 11).
    if (!d.to_multicast && !detail::is_on_link(present, d.sender.address(), d.interface)) {
        ++counts.foreign;
        return;
    }
    ++counts.received;
    responder.take(*dns::message::read(d.bytes), {d.interface, d.sender.address().is_v6(), d.sender},
                   time.now(), *this);
    arm();
}

PORTUNUS_DECL awaitable<void> mdns_announcer::state::receive(std::shared_ptr<state> s) {
    while (s->is_open()) {
        auto got = co_await s->socket->receive();
        if (got)
            s->take(*got);
        else
            s->end(got.error());
    }
}

PORTUNUS_DECL awaitable<void> mdns_announcer::state::follow(std::shared_ptr<state> s) {
    while (s->is_open()) {
        auto change = co_await s->watch->next();
        if (!s->is_open()) break;
        auto seen = change ? s->refresh() : result<void>(change.error());
        if (seen) continue;
        const std::string text = seen.error().message();
        s->options.log(log_level::error, "names are announced on the present interfaces alone from now on",
                       {{"error", text}});
        break;
    }
}

PORTUNUS_DECL awaitable<result<void>> mdns_announcer::state::ready(std::shared_ptr<state> s,
                                                                   steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    struct watch_type {
        state* self;
        bool late = false;
    } mine{s.get()};
    deadline late(s->time, &mine, [](void* self) {
        static_cast<watch_type*>(self)->late = true;
        static_cast<watch_type*>(self)->self->changed.notify();
    });
    late.arm(limit);
    for (;;) {
        if (!s->is_open()) co_return s->cause.code().failed() ? s->cause : error(errc::closed_locally);
        if (s->responder.settled()) break;
        if (detail::stop_asked(asked)) co_return errc::canceled;
        if (mine.late)
            co_return error(
                errc::connect_timeout,
                s->options.host + ".local was not announced within " +
                    std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
                    " ms on " + std::to_string(s->responder.links()) + " links");
        co_await s->changed.wait_op();
    }
    for (std::size_t i = 0; i <= s->options.services.size(); ++i)
        if (s->responder.given_up(i))
            co_return error(errc::address_in_use,
                            "others have the name \"" + s->responder.label(i) + "\" and those before it");
    co_return result<void>();
}

PORTUNUS_DECL mdns_announcer::mdns_announcer(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}
PORTUNUS_DECL mdns_announcer::mdns_announcer(const boost::asio::any_io_executor& executor,
                                             mdns_announcer_options options)
    : mdns_announcer(open(executor, std::move(options)).value()) {}
PORTUNUS_DECL result<mdns_announcer> mdns_announcer::open(const boost::asio::any_io_executor& executor,
                                                          mdns_announcer_options options) {
    auto services = detail::check_announced(options);
    if (!services) return services.error();
    auto s = std::make_shared<state>(executor, std::move(options), std::move(*services));
    if (auto opened = s->open(); !opened) return opened.error();
    s->begin();
    return mdns_announcer(std::move(s));
}
PORTUNUS_DECL mdns_announcer::mdns_announcer(mdns_announcer&&) noexcept = default;
PORTUNUS_DECL mdns_announcer& mdns_announcer::operator=(mdns_announcer&& other) noexcept {
    if (this != &other) {
        if (state_) state_->end(errc::aborted_locally);
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL mdns_announcer::~mdns_announcer() {
    if (state_) state_->end(errc::aborted_locally);
}

PORTUNUS_DECL awaitable<result<void>> mdns_announcer::ready(steady_clock::duration limit) {
    return state_ ? state::ready(state_, limit) : detail::udp_gone<void>();
}
PORTUNUS_DECL void mdns_announcer::close() {
    if (state_) state_->end(errc::closed_locally);
}
PORTUNUS_DECL bool mdns_announcer::is_open() const noexcept {
    return state_ && state_->is_open();
}
PORTUNUS_DECL std::string mdns_announcer::host() const {
    return state_->responder.host().text();
}
PORTUNUS_DECL std::vector<mdns_service> mdns_announcer::services() const {
    auto all = state_->options.services;
    for (std::size_t i = 0; i < all.size(); ++i) all[i].name = state_->responder.label(i + 1);
    return all;
}
PORTUNUS_DECL std::size_t mdns_announcer::links() const noexcept {
    return state_->responder.links();
}
PORTUNUS_DECL std::uint64_t mdns_announcer::conflicts() const noexcept {
    return state_->responder.conflicts();
}
PORTUNUS_DECL mdns_counters mdns_announcer::counters() const noexcept {
    return state_->counts;
}

} // namespace portunus

#endif
