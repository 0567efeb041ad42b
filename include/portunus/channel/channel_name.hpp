// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_NAME_HPP
#define PORTUNUS_CHANNEL_CHANNEL_NAME_HPP

#include <portunus/channel/detail/json_scalar.hpp>
#include <portunus/channel/message.hpp>
#include <portunus/core/error.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

/// How both ends of a channel come to call it by one name, which then stands in their log lines. Row S-10.
///
/// The client begins, right after connecting: it sends its name, or null when it has none, and the server
/// answers with the name that counts. Where both have one and they differ, that is the client's, and the
/// server logs a warning. Where only one has a name, that is it.
///
///     channel_name name = channel_name::client("kitchen");
///     send(name.connected());                                        // on each connection
///     if (auto step = name.received(m)) { if (step->send) ...; if (!step->warning.empty()) ...; }
///
/// A name is UTF-8 of 1 to 64 bytes without control characters, since it goes into logs. One that is not,
/// from the peer, is not taken: a server answers it with OPERATION_NOT_PERMITTED and the name that it has, if
/// any; both note a warning, which shows nothing of it but its length.
///
/// The name of one connection says nothing about the next: `connected` begins with our own again.
class channel_name {
  public:
    static constexpr std::size_t longest = 64;

    /// An empty name: none of our own. Throws `failure` with `errc::invalid_option` for what is no name.
    static channel_name client(std::string own = {}) { return {true, std::move(own)}; }
    static channel_name server(std::string own = {}) { return {false, std::move(own)}; }

    static bool is_valid(std::string_view name) noexcept {
        return !name.empty() && name.size() <= longest && detail::is_plain_text(name);
    }

    /// A connection is there. What the client sends then; a server sends nothing.
    std::optional<message> connected() {
        name_ = own_;
        if (!is_client_) return std::nullopt;
        return message(message_status::okay, service_id::channel_name_request, data_id::channel_name,
                       as_json(own_));
    }

    struct step {
        std::optional<message> send{};
        std::string warning{}; ///< a line for the log, if any
        bool changed{false};   ///< `name()` is another one now
    };

    /// A message of this exchange. Nothing when it is none of the kind that this side reads.
    std::optional<step> received(const message_view& m) {
        const service_id mine =
            is_client_ ? service_id::channel_name_response : service_id::channel_name_request;
        if (m.service != mine || m.id != data_id::channel_name) return std::nullopt;
        step done;
        detail::json_scalar told = detail::read_json_scalar(m.data);
        const bool none = told.kind == detail::json_kind::null ||
                          (told.kind == detail::json_kind::text && told.text.empty());
        const bool good = none || (told.kind == detail::json_kind::text && is_valid(told.text));
        const bool okay = m.status == message_status::okay;
        if (!good) {
            done.warning = "the peer's name for the channel is no name: " + std::to_string(m.data.size()) +
                           " bytes of JSON; a name has 1 to " + std::to_string(longest) +
                           " bytes and no control characters";
        } else if (!okay) {
            done.warning = "the peer does not take the channel's name \"" + name_ + "\": status " +
                           std::to_string(static_cast<unsigned>(m.status));
        } else if (!none) {
            if (!is_client_ && !own_.empty() && own_ != told.text)
                done.warning = "the channel has the name \"" + own_ + "\" here and \"" + told.text +
                               "\" at the client, whose name is taken";
            done.changed = name_ != told.text;
            name_ = std::move(told.text);
        }
        if (!is_client_)
            done.send = message(good ? message_status::okay : message_status::operation_not_permitted,
                                service_id::channel_name_response, data_id::channel_name, as_json(name_));
        return done;
    }

    /// What the channel is called now; empty: nothing.
    const std::string& name() const noexcept { return name_; }
    const std::string& own() const noexcept { return own_; }

  private:
    channel_name(bool is_client, std::string own) : own_(std::move(own)), name_(own_), is_client_(is_client) {
        if (!own_.empty() && !is_valid(own_))
            throw failure(error(errc::invalid_option, "the name of a channel has 1 to " +
                                                          std::to_string(longest) +
                                                          " bytes of UTF-8 and no control characters; this "
                                                          "one has " +
                                                          std::to_string(own_.size()) + " bytes"));
    }

    static std::string as_json(std::string_view name) {
        return name.empty() ? std::string("null") : detail::write_json_string(name);
    }

    std::string own_;
    std::string name_;
    bool is_client_;
};

} // namespace portunus

#endif
