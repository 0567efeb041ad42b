// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_PLUGIN_HPP
#define PORTUNUS_ADAPTERS_PLUGIN_HPP

#include <portunus/adapters/message_batch.hpp>
#include <portunus/adapters/plugin_handle.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/error.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/peer_info.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {

class plugin_control;

/// How a plugin's connection is ended.
enum class disconnect_mode : std::uint8_t {
    graceful, ///< what was written goes out first, then our end, then the peer's is waited for
    abort,    ///< at once, with a reset
};

/// What a plugin has counted and what has been counted about it. A snapshot.
struct plugin_counters {
    std::uint64_t events{0};            ///< calls of the plugin; a batch of messages is one
    std::uint64_t exceptions{0};        ///< that left an event
    std::uint64_t slow_events{0};       ///< that took longer than `plugin_options::block_limit`
    std::uint64_t dropped_datagrams{0}; ///< of a full mailbox
    std::uint64_t refused{0};           ///< connections: by the plugin, or since all handles were taken
    std::size_t connections{0};         ///< now
};

/// What a listener listens for.
enum class listener_kind : std::uint8_t { tcp, udp, pages };

/// A listener that is ready.
struct listening_info {
    listener_kind kind{};
    std::uint16_t port{0};              ///< the real one, where 0 was asked for
    std::vector<std::string> endpoints; ///< "127.0.0.1:7001", in the order of opening
};

/// Who is at the other end of a connection.
struct connection_info {
    listener_id listener{};                  ///< through which it came; none where it goes out
    boost::asio::ip::tcp::endpoint remote{}; ///< the peer
    boost::asio::ip::tcp::endpoint local{};  ///< our end; for one that came in, its port is the listener's
    std::chrono::system_clock::time_point time{}; ///< when it was accepted or established

    /// The name of the interface it came in by, empty when it cannot be found. Asks the system.
    std::string interface() const { return detail::interface_of(local.address()); }
};

/// How a connection ended: the one terminal event of each.
struct connection_end {
    close_reason reason = close_reason::none;
    error cause{}; ///< what was behind it; an empty one where the reason says it all

    /// The system's number (ECONNRESET, ...), 0 where the end was none of the system's making. The faces of
    /// other systems map `reason` and `cause` to numbers of their own.
    int number() const noexcept {
        return cause.code().category() == boost::system::system_category() ? cause.code().value() : 0;
    }
    std::string text() const {
        return cause.code().failed() ? cause.message() : std::string(to_string(reason));
    }
};

/// Somebody asks for a page. It owns all that it says, and is valid until the event returns.
struct page_request {
    listener_id listener{};
    std::string method;
    std::string path;  ///< before the '?', percent-encoding included
    std::string query; ///< behind it
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    boost::asio::ip::tcp::endpoint remote{};

    /// The first field of this name, letters of either case; empty where there is none.
    std::string_view field(std::string_view name) const noexcept;
};

/// The answer to it.
struct page_reply {
    unsigned status = 200; ///< 100 to 599 that HTTP knows; another one is sent as 500
    std::string body{};
    std::string content_type = "text/plain; charset=utf-8";
};

/// A program as callbacks: derive from it, override what is of interest, give it to a `plugin_host`.
///
///     class echo : public plugin {
///         void on_started(const plugin_control& c) override { control_ = c; listen somewhere }
///         void on_data(connection_id from, std::string_view line) override { (void)control_.write(from,
///         line); } plugin_control control_;
///     };
///
/// Events come one at a time, on the plugin's own thread (or the I/O context, where its options say so),
/// never on two at once, and no lock is held while one runs. Everything may be done inside of each: commands,
/// stopping the plugin, destroying the host. An exception that leaves an event is logged as an error; one
/// that leaves an event of a connection closes that connection. What is passed to an event is valid until it
/// returns; handles for ever.
class plugin {
  public:
    virtual ~plugin() = default;

    /// First of all. `control` gives the commands; it is a handle that may be kept.
    virtual void on_started([[maybe_unused]] const plugin_control& control) {}
    virtual void on_listening([[maybe_unused]] listener_id listener,
                              [[maybe_unused]] const listening_info& info) {}

    /// A peer has come in. True accepts it; false resets it, and then no further event comes for it.
    virtual bool on_connection([[maybe_unused]] connection_id connection,
                               [[maybe_unused]] const connection_info& info) {
        return true;
    }
    /// A connection that `connect` began is established. Where that fails, `on_closed` comes without this.
    virtual void on_connected([[maybe_unused]] connection_id connection,
                              [[maybe_unused]] const connection_info& info) {}

    /// One message, or a piece of the stream where the framing is `raw_codec`.
    virtual void on_data([[maybe_unused]] connection_id connection,
                         [[maybe_unused]] std::string_view message) {}
    /// All messages that are there, for a plugin that is faster with many at once. Calls `on_data` for each.
    virtual void on_messages(connection_id connection, message_batch& batch) {
        for (const std::string_view message : batch) on_data(connection, message);
    }

    /// A datagram. Its `lost_before` counts what the kernel and the mailbox had to drop before it.
    virtual void on_datagram([[maybe_unused]] listener_id listener,
                             [[maybe_unused]] const datagram& received) {}

    /// A page is asked for. An answer is sent at once; nothing promises one later, by
    /// `plugin_control::reply`, and where none comes in time the client is told (504). Says 404.
    virtual std::optional<page_reply> on_page([[maybe_unused]] page_id page,
                                              [[maybe_unused]] const page_request& request) {
        return page_reply{404, "no such page\n"};
    }

    /// The terminal event: exactly one for every connection that was told to the plugin or begun by it, and
    /// nothing about that connection afterwards. It need not be disconnected. Its handle is stale when this
    /// returns.
    virtual void on_closed([[maybe_unused]] connection_id connection,
                           [[maybe_unused]] const connection_end& end) {}

    /// Comes as often as `set_tick` has asked. One that is late stands for those that it has missed.
    virtual void on_tick() {}

    /// The plugin is about to stop: the last moment for commands. What is still open is closed behind it,
    /// with an `on_closed` for each.
    virtual void on_stopping() {}
};

inline std::string_view page_request::field(std::string_view name) const noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    for (const auto& [key, value] : fields) {
        if (key.size() != name.size()) continue;
        std::size_t i = 0;
        while (i < key.size() && lower(key[i]) == lower(name[i])) ++i;
        if (i == key.size()) return value;
    }
    return {};
}

} // namespace portunus

#endif
