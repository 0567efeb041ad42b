// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_IMPL_SHARED_PLUGIN_IPP
#define PORTUNUS_ADAPTERS_IMPL_SHARED_PLUGIN_IPP

#include <portunus/adapters/shared_plugin.hpp>

#include <portunus/adapters/detail/plugin_core.hpp>
#include <portunus/adapters/plugin_abi.h>
#include <portunus/core/detail/config.hpp>
#include <portunus/framing/any_codec.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <dlfcn.h>

/// What the C side gets for a host: the name alone crosses the border.
struct portunus_host {
    portunus::plugin_control control;
};

namespace portunus {
namespace detail {

inline int status_of(const error& e) noexcept {
    if (e == errc::not_connected || e == errc::listener_closed) return PORTUNUS_STALE;
    if (e == errc::queue_full) return PORTUNUS_FULL;
    if (e == errc::address_in_use) return PORTUNUS_IN_USE;
    if (e == errc::port_requires_privilege) return PORTUNUS_NOT_PERMITTED;
    if (e == errc::shutting_down) return PORTUNUS_STOPPING;
    if (e == errc::invalid_option || e == errc::invalid_address || e == errc::invalid_port ||
        e == errc::unencodable_payload)
        return PORTUNUS_INVALID;
    return PORTUNUS_FAILED;
}

PORTUNUS_DECL any_codec framing_of(const portunus_framing* f) {
    if (!f) return raw_codec();
    switch (f->kind) {
    case PORTUNUS_RAW:
        return raw_codec();
    case PORTUNUS_LINES:
        return line_codec(line_mode::any);
    case PORTUNUS_LF:
        return line_codec(line_mode::lf);
    case PORTUNUS_FIXED:
        return fixed_codec(f->number);
    case PORTUNUS_QUIET:
        return quiet_time_codec(std::chrono::milliseconds(f->number));
    case PORTUNUS_TERMINATOR:
        return delimiter_codec(std::string_view(f->text ? f->text : "", f->text ? f->number : 0));
    default:
        throw failure(error(errc::invalid_option, "framing " + std::to_string(f->kind)));
    }
}

/// Nothing may be thrown into C.
template <class F>
int guarded(portunus_host* host, F f) noexcept {
    try {
        const result<void> done = f(host->control);
        if (done) return PORTUNUS_OK;
        const int status = status_of(done.error());
        if (status == PORTUNUS_FAILED) host->control.log(log_level::warning, done.error().message());
        return status;
    } catch (const failure& e) {
        return status_of(e.reason());
    } catch (...) {
        return PORTUNUS_FAILED;
    }
}

template <class Options>
void set_door(Options& door, const char* address, std::uint16_t port) {
    door.ports = port;
    door.policy = accept_policy::anyone();
    if (address) {
        boost::system::error_code ec;
        door.addresses = {boost::asio::ip::make_address(address, ec)};
        if (ec) throw failure(error(errc::invalid_address, address));
    }
}

inline boost::asio::ip::address address_from(const char* text) {
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(text ? text : "", ec);
    if (ec) throw failure(error(errc::invalid_address, text ? text : "no address"));
    return address;
}

inline result<void> told(const plugin_control& c, const result<listener_id>& made, std::uint64_t* listener,
                         std::uint16_t* real_port) {
    if (!made) return made.error();
    if (listener) *listener = made->value();
    if (real_port)
        if (const auto info = c.listening(*made)) *real_port = info->port;
    return {};
}

PORTUNUS_DECL const portunus_commands& c_commands() noexcept {
    using host = portunus_host*;
    static const portunus_commands commands = {
        sizeof(portunus_commands),
        [](host h, const char* address, std::uint16_t port, const portunus_framing* f,
           std::uint64_t* listener, std::uint16_t* real_port) {
            return guarded(h, [&](const plugin_control& c) {
                listener_options door;
                set_door(door, address, port);
                return told(c, c.listen_tcp(std::move(door), framing_of(f)), listener, real_port);
            });
        },
        [](host h, const char* address, std::uint16_t port, std::uint64_t* listener,
           std::uint16_t* real_port) {
            return guarded(h, [&](const plugin_control& c) {
                udp_options door;
                set_door(door, address, port);
                return told(c, c.listen_udp(std::move(door)), listener, real_port);
            });
        },
        [](host h, std::uint64_t listener) {
            return guarded(h, [&](const plugin_control& c) {
                return c.stop_listening(listener_id::from_value(listener));
            });
        },
        [](host h, const char* name, std::uint16_t port, const portunus_framing* f,
           std::uint64_t* connection) {
            return guarded(h, [&](const plugin_control& c) -> result<void> {
                auto made = c.connect(name ? name : "", port, framing_of(f));
                if (!made) return made.error();
                if (connection) *connection = made->value();
                return {};
            });
        },
        [](host h, std::uint64_t connection, const char* data, std::size_t size) {
            return guarded(h, [&](const plugin_control& c) {
                return c.write(connection_id::from_value(connection), {data, size});
            });
        },
        [](host h, std::uint64_t connection, const char* data, std::size_t size) {
            return guarded(h, [&](const plugin_control& c) {
                return c.write_raw(connection_id::from_value(connection), {data, size});
            });
        },
        [](host h, std::uint64_t connection, int at_once) {
            return guarded(h, [&](const plugin_control& c) {
                return c.disconnect(connection_id::from_value(connection),
                                    at_once ? disconnect_mode::abort : disconnect_mode::graceful);
            });
        },
        [](host h, std::uint64_t connection, const portunus_framing* f) {
            return guarded(h, [&](const plugin_control& c) {
                return c.set_framing(connection_id::from_value(connection), framing_of(f));
            });
        },
        [](host h, std::uint64_t connection, int on) {
            return guarded(h, [&](const plugin_control& c) {
                const auto id = connection_id::from_value(connection);
                return on ? c.pause(id) : c.resume(id);
            });
        },
        [](host h, std::uint64_t listener, const char* address, std::uint16_t port, const char* data,
           std::size_t size) {
            return guarded(h, [&](const plugin_control& c) {
                return c.send(listener_id::from_value(listener), {address_from(address), port}, {data, size});
            });
        },
        [](host h, std::uint64_t listener, const char* group) {
            return guarded(h, [&](const plugin_control& c) {
                return c.join(listener_id::from_value(listener), address_from(group));
            });
        },
        [](host h, std::uint64_t listener, const char* group) {
            return guarded(h, [&](const plugin_control& c) {
                return c.leave(listener_id::from_value(listener), address_from(group));
            });
        },
        [](host h, std::uint32_t milliseconds) {
            (void)guarded(h, [&](const plugin_control& c) -> result<void> {
                c.set_tick(std::chrono::milliseconds(milliseconds));
                return {};
            });
        },
        [](host h, int level, const char* text) {
            (void)guarded(h, [&](const plugin_control& c) -> result<void> {
                c.log(level <= 0   ? log_level::debug
                      : level == 1 ? log_level::info
                      : level == 2 ? log_level::warning
                                   : log_level::error,
                      text ? text : "");
                return {};
            });
        },
        [](host h) {
            // From another thread than the plugin's it marks as well: a C plugin waits for nobody.
            (void)guarded(h, [&](const plugin_control& c) -> result<void> {
                core_of(c)->ask_to_stop();
                core_of(c)->wake_io();
                return {};
            });
        },
    };
    return commands;
}

/// The events of a C plugin.
class c_plugin final : public plugin {
  public:
    explicit c_plugin(const portunus_plugin& table) noexcept : c_(table) {}
    c_plugin(const c_plugin&) = delete;
    c_plugin& operator=(const c_plugin&) = delete;
    ~c_plugin() override {
        if (c_.destroy) c_.destroy(c_.state);
    }

    void on_started(const plugin_control& control) override {
        host_.control = control;
        if (c_.started) c_.started(c_.state, &host_, &c_commands());
    }
    bool on_connection(connection_id id, const connection_info& info) override {
        if (!c_.connection) return true;
        const std::string address = normalised(info.remote.address()).to_string();
        return c_.connection(c_.state, id.value(), info.listener.value(), address.c_str(),
                             info.remote.port()) != 0;
    }
    void on_connected(connection_id id, const connection_info&) override {
        if (c_.connected) c_.connected(c_.state, id.value());
    }
    void on_data(connection_id id, std::string_view message) override {
        if (c_.data) c_.data(c_.state, id.value(), message.data(), message.size());
    }
    void on_datagram(listener_id id, const datagram& d) override {
        if (!c_.datagram) return;
        const std::string address = d.sender.address().to_string();
        c_.datagram(c_.state, id.value(), address.c_str(), d.sender.port(), d.bytes.data(), d.bytes.size());
    }
    void on_closed(connection_id id, const connection_end& end) override {
        if (c_.closed)
            c_.closed(c_.state, id.value(), static_cast<int>(end.reason), end.number(), end.text().c_str());
    }
    void on_tick() override {
        if (c_.tick) c_.tick(c_.state);
    }
    void on_stopping() override {
        if (c_.stopping) c_.stopping(c_.state);
    }

  private:
    portunus_plugin c_;
    portunus_host host_;
};

} // namespace detail

PORTUNUS_DECL shared_plugin::shared_plugin(plugin_host& host, std::string path, std::string arguments,
                                           plugin_options options)
    : host_(&host), path_(std::move(path)), arguments_(std::move(arguments)), options_(std::move(options)) {}

PORTUNUS_DECL shared_plugin::shared_plugin(shared_plugin&& other) noexcept
    : host_(other.host_), path_(std::move(other.path_)), arguments_(std::move(other.arguments_)),
      options_(std::move(other.options_)), control_(std::move(other.control_)),
      object_(std::exchange(other.object_, nullptr)) {}

PORTUNUS_DECL shared_plugin& shared_plugin::operator=(shared_plugin&& other) noexcept {
    if (this != &other) {
        (void)unload(options_.stop_limit);
        host_ = other.host_;
        path_ = std::move(other.path_);
        arguments_ = std::move(other.arguments_);
        options_ = std::move(other.options_);
        control_ = std::move(other.control_);
        object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
}

PORTUNUS_DECL shared_plugin::~shared_plugin() {
    if (!object_) return;
    const auto gone = unload(options_.stop_limit);
    if (!gone) options_.log(log_level::error, path_ + " stays loaded: " + gone.error().message());
}

PORTUNUS_DECL result<shared_plugin> shared_plugin::load(plugin_host& host, std::string path,
                                                        std::string arguments, plugin_options options) {
    shared_plugin made(host, std::move(path), std::move(arguments), std::move(options));
    auto opened = made.open();
    if (!opened) return opened.error();
    return made;
}

PORTUNUS_DECL result<void> shared_plugin::open() {
    void* const object = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        const char* const why = ::dlerror();
        return error(errc::invalid_option, why ? why : path_);
    }
    const auto entry =
        reinterpret_cast<portunus_plugin_entry_function>(::dlsym(object, "portunus_plugin_entry"));
    portunus_plugin table{};
    table.size = sizeof table;
    const int refused = entry ? entry(PORTUNUS_PLUGIN_ABI, arguments_.c_str(), &table) : 0;
    if (!entry || refused != 0) {
        ::dlclose(object);
        return error(errc::invalid_option, path_ + (entry ? " refuses with " + std::to_string(refused)
                                                          : " has no portunus_plugin_entry"));
    }
    if (table.name) options_.name = table.name;
    object_ = object;
    control_ = host_->start(std::make_shared<detail::c_plugin>(table), options_);
    return {};
}

PORTUNUS_DECL result<void> shared_plugin::unload(steady_clock::duration limit) {
    if (!object_) return {};
    if (detail::core_of(control_)->in_event())
        return error(errc::operation_in_progress, path_ + " cannot be unloaded by one of its own events");
    auto stopped = control_.stop(limit); // and joined
    if (!stopped) return stopped;
    ::dlclose(std::exchange(object_, nullptr));
    return {};
}

PORTUNUS_DECL result<void> shared_plugin::reload(steady_clock::duration limit) {
    auto gone = unload(limit);
    if (!gone) return gone;
    return open();
}

} // namespace portunus

#endif
