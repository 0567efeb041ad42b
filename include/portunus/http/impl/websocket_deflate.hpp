// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_WEBSOCKET_DEFLATE_HPP
#define PORTUNUS_HTTP_IMPL_WEBSOCKET_DEFLATE_HPP

#include <portunus/http/websocket_deflate.hpp>

#include <portunus/http/detail/characters.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include <zlib.h>

namespace portunus::http {

namespace detail {

/// What every message ends with, and what is left out of it (RFC 7692 7.2.1).
inline constexpr std::string_view deflate_tail{"\x00\x00\xff\xff", 4};

/// "8" to "15", in quotes or not; 0 for everything else.
inline int window_bits_in(std::string_view text) noexcept {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
    if (text == "8" || text == "9") return text[0] - '0';
    if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') return 10 + text[1] - '0';
    return 0;
}

inline error wrong_deflate_terms(std::string_view what, std::string_view text) {
    return error(errc::malformed_frame,
                 "Sec-WebSocket-Extensions \"" + std::string(text) + "\": " + std::string(what));
}

} // namespace detail

inline result<websocket_deflate_terms> websocket_deflate_terms::parse(std::string_view text) {
    const std::string_view all = text;
    const auto part = [&text] {
        const std::size_t end = std::min(text.find(';'), text.size());
        const std::string_view p = detail::trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        return p;
    };
    websocket_deflate_terms t;
    if (!detail::same_word(part(), "permessage-deflate"))
        return detail::wrong_deflate_terms("not permessage-deflate", all);
    bool more = all.find(';') != std::string_view::npos;
    while (more) {
        more = text.find(';') != std::string_view::npos;
        const std::string_view p = part();
        const std::size_t equals = p.find('=');
        const bool has_value = equals != std::string_view::npos;
        const std::string_view name = detail::trimmed(p.substr(0, equals));
        const int bits = has_value ? detail::window_bits_in(detail::trimmed(p.substr(equals + 1))) : 0;
        const auto once = [](bool& flag) { return !std::exchange(flag, true); };
        bool fine = false;
        if (detail::same_word(name, "server_no_context_takeover")) {
            fine = !has_value && once(t.server_no_context_takeover);
        } else if (detail::same_word(name, "client_no_context_takeover")) {
            fine = !has_value && once(t.client_no_context_takeover);
        } else if (detail::same_word(name, "server_max_window_bits")) {
            fine = bits != 0 && t.server_max_window_bits == 0;
            t.server_max_window_bits = bits;
        } else if (detail::same_word(name, "client_max_window_bits")) {
            fine = (bits != 0 || !has_value) && t.client_max_window_bits == 0;
            t.client_max_window_bits = has_value ? bits : -1;
        }
        if (!fine) return detail::wrong_deflate_terms("parameter \"" + std::string(p) + '"', all);
    }
    return t;
}

inline std::string websocket_deflate_terms::to_string() const {
    std::string text = "permessage-deflate";
    if (server_no_context_takeover) text += "; server_no_context_takeover";
    if (client_no_context_takeover) text += "; client_no_context_takeover";
    if (server_max_window_bits != 0)
        text += "; server_max_window_bits=" + std::to_string(server_max_window_bits);
    if (client_max_window_bits < 0) text += "; client_max_window_bits";
    if (client_max_window_bits > 0)
        text += "; client_max_window_bits=" + std::to_string(client_max_window_bits);
    return text;
}

inline websocket_deflate::websocket_deflate(const websocket_deflate_options& options) : options_(options) {
    const auto within = [](int value, int least, int most, const char* name) {
        if (value >= least && value <= most) return;
        throw failure(error(errc::invalid_option, std::string("websocket_deflate_options::") + name + ' ' +
                                                      std::to_string(value) + ": it has to be from " +
                                                      std::to_string(least) + " to " + std::to_string(most)));
    };
    within(options.level, 1, 9, "level");
    within(options.window_bits, 9, 15, "window_bits");
    within(options.memory, 1, 9, "memory");
    within(options.peer_window_bits, 9, 15, "peer_window_bits");
}

inline std::string websocket_deflate::offer() const {
    websocket_deflate_terms t;
    t.client_max_window_bits = -1; // the server may choose
    t.client_no_context_takeover = !options_.keep_context;
    t.server_no_context_takeover = !options_.peer_keeps_context;
    if (options_.peer_window_bits < 15) t.server_max_window_bits = options_.peer_window_bits;
    return t.to_string();
}

inline websocket_extension::agreement websocket_deflate::accept(std::string_view offered) const {
    const auto theirs = websocket_deflate_terms::parse(offered);
    if (!theirs) return {};
    websocket_deflate_terms t = *theirs;
    t.server_no_context_takeover |= !options_.keep_context;
    t.client_no_context_takeover |= !options_.peer_keeps_context;
    int own = options_.window_bits, peer = 15;
    if (t.server_max_window_bits != 0)
        t.server_max_window_bits = own = std::min(own, t.server_max_window_bits);
    if (t.client_max_window_bits != 0) { // otherwise the client does not know what that is
        if (t.client_max_window_bits > 0) peer = t.client_max_window_bits;
        peer = std::min(peer, options_.peer_window_bits);
        t.client_max_window_bits = peer == 15 ? 0 : peer;
    }
    agreement a;
    a.answer = t.to_string();
    a.compression = std::make_shared<websocket_deflater>(options_, own, !t.server_no_context_takeover, peer,
                                                         !t.client_no_context_takeover);
    return a;
}

inline result<std::shared_ptr<websocket_compression>>
websocket_deflate::confirm(std::string_view answer) const {
    const auto t = websocket_deflate_terms::parse(answer);
    if (!t) return t.error();
    if (t->client_max_window_bits < 0)
        return detail::wrong_deflate_terms("client_max_window_bits without a value", answer);
    if (!options_.peer_keeps_context && !t->server_no_context_takeover)
        return detail::wrong_deflate_terms("server_no_context_takeover was asked for", answer);
    const int peer = t->server_max_window_bits == 0 ? 15 : t->server_max_window_bits;
    if (peer > options_.peer_window_bits)
        return detail::wrong_deflate_terms("a larger window than was asked for", answer);
    const int own = t->client_max_window_bits == 0
                        ? options_.window_bits
                        : std::min(options_.window_bits, t->client_max_window_bits);
    return std::make_shared<websocket_deflater>(options_, own,
                                                options_.keep_context && !t->client_no_context_takeover, peer,
                                                !t->server_no_context_takeover);
}

inline websocket_deflater::websocket_deflater(const websocket_deflate_options& options, int own_bits,
                                              bool own_context, int peer_bits, bool peer_context) noexcept
    : options_(options), own_bits_(own_bits), peer_bits_(std::max(peer_bits, 9)), own_context_(own_context),
      peer_context_(peer_context) {}

inline bool websocket_deflater::compress(std::string_view message, std::string& out) {
    if (own_bits_ < 9 || message.empty() || message.size() < options_.min_size) return false;
    if (!out_) {
        auto fresh = std::make_unique<z_stream>();
        if (::deflateInit2(fresh.get(), options_.level, Z_DEFLATED, -own_bits_, options_.memory,
                           Z_DEFAULT_STRATEGY) != Z_OK)
            throw std::bad_alloc();
        out_.reset(fresh.release());
    }
    out.clear();
    while (!message.empty()) {
        out_->next_in = detail::zlib_bytes(message.data());
        out_->avail_in = detail::portion(message.size());
        const std::size_t given = out_->avail_in;
        const int mode = given == message.size() ? Z_SYNC_FLUSH : Z_NO_FLUSH;
        do {
            const std::size_t size = out.size(), room = std::clamp<std::size_t>(given / 2, 256, 65536);
            out.resize(size + room);
            out_->next_out = detail::zlib_bytes(out.data() + size);
            out_->avail_out = static_cast<uInt>(room);
            (void)::deflate(out_.get(), mode); // Z_BUF_ERROR: it was done exactly before
            out.resize(size + room - out_->avail_out);
        } while (out_->avail_out == 0);
        message.remove_prefix(given);
    }
    out.resize(out.size() - detail::deflate_tail.size());
    if (!own_context_) ::deflateReset(out_.get());
    return true;
}

inline result<void> websocket_deflater::inflate(std::string_view bytes, std::size_t most,
                                                std::vector<char>& out, std::size_t& used) {
    for (;;) {
        // One more than is allowed, to see that there is more.
        const std::size_t size = out.size();
        const std::size_t allowed = most - size;
        char beyond = 0;
        const std::size_t room =
            std::min(std::clamp<std::size_t>(std::max(bytes.size() * 4, size), 256, 65536), allowed);
        out.resize(size + room);
        in_->next_in = detail::zlib_bytes(bytes.data());
        in_->avail_in = detail::portion(bytes.size());
        in_->next_out = detail::zlib_bytes(room == 0 ? &beyond : out.data() + size);
        in_->avail_out = static_cast<uInt>(room == 0 ? 1 : room);
        const std::size_t given = in_->avail_in, space = in_->avail_out;
        const int said = ::inflate(in_.get(), Z_SYNC_FLUSH);
        const std::size_t read = given - in_->avail_in, written = space - in_->avail_out;
        bytes.remove_prefix(read);
        used += read;
        if (room == 0 && written != 0)
            return error(errc::frame_too_large,
                         "a compressed message unfolds to more than max_message " + std::to_string(most));
        out.resize(size + written);
        if (options_.max_ratio != 0 && out.size() >= options_.ratio_from &&
            out.size() / options_.max_ratio > used)
            return error(errc::frame_too_large, std::to_string(used) + " compressed bytes unfold to " +
                                                    std::to_string(out.size()) + ": more than " +
                                                    std::to_string(options_.max_ratio) + " for one");
        if (said == Z_MEM_ERROR) throw std::bad_alloc();
        if (said == Z_STREAM_END) { // allowed (RFC 7692 7.2.3.5); the window stays
            ::inflateResetKeep(in_.get());
            continue;
        }
        if (said != Z_OK && said != Z_BUF_ERROR)
            return error(errc::malformed_frame,
                         std::string("a compressed message: ") + (in_->msg ? in_->msg : "malformed"));
        if (bytes.empty() && in_->avail_out != 0) return {};
        if (read == 0 && written == 0) return {}; // zlib wants bytes
    }
}

inline result<void> websocket_deflater::decompress(std::string_view bytes, std::size_t most,
                                                   std::vector<char>& out) {
    out.clear();
    if (!in_) {
        auto fresh = std::make_unique<z_stream>();
        if (::inflateInit2(fresh.get(), -peer_bits_) != Z_OK) throw std::bad_alloc();
        in_.reset(fresh.release());
    } else if (!peer_context_) {
        ::inflateReset(in_.get());
    }
    std::size_t used = 0;
    auto done = inflate(bytes, most, out, used);
    if (done) done = inflate(detail::deflate_tail, most, out, used);
    if (!done) return done;
    // At the end of the empty block that was added, and of no other: between blocks, at a byte's end.
    if ((in_->data_type & 128) == 0 || (in_->data_type & 63) != 0)
        return error(errc::malformed_frame, "a compressed message that ends inside of a block");
    return {};
}

} // namespace portunus::http

#endif
