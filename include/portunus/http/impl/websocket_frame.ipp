// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_WEBSOCKET_FRAME_IPP
#define PORTUNUS_HTTP_IMPL_WEBSOCKET_FRAME_IPP

#include <portunus/http/websocket_frame.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace portunus::http {
namespace detail {

/// Masks, or unmasks, which is the same.
PORTUNUS_DECL void apply_mask(char* bytes, std::size_t size, const websocket_mask& mask) noexcept {
    std::array<std::uint8_t, 8> twice;
    for (std::size_t i = 0; i != 8; ++i) twice[i] = mask[i & 3];
    std::uint64_t key, word;
    std::memcpy(&key, twice.data(), 8);
    std::size_t i = 0;
    for (; size - i >= 8; i += 8) {
        std::memcpy(&word, bytes + i, 8);
        word ^= key;
        std::memcpy(bytes + i, &word, 8);
    }
    for (; i != size; ++i) bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ mask[i & 3]);
}

PORTUNUS_DECL std::string websocket_position(std::uint64_t at) {
    return " (byte " + std::to_string(at) + " of the connection)";
}

} // namespace detail

PORTUNUS_DECL void append_frame(std::string& out, websocket_opcode what, std::string_view payload,
                                const websocket_mask* mask, bool final, bool compressed) {
    std::array<char, detail::longest_websocket_header> head;
    std::size_t n = 0;
    const auto put = [&](std::uint64_t byte) {
        head[n++] = static_cast<char>(static_cast<unsigned char>(byte));
    };
    put((final ? 0x80u : 0u) | (compressed ? 0x40u : 0u) | static_cast<unsigned>(what));
    const std::uint64_t size = payload.size();
    const unsigned masked = mask ? 0x80u : 0u;
    if (size < 126) {
        put(masked | size);
    } else if (size < 65536) {
        put(masked | 126);
        put(size >> 8);
        put(size & 0xff);
    } else {
        put(masked | 127);
        for (int shift = 56; shift >= 0; shift -= 8) put(size >> shift & 0xff);
    }
    if (mask)
        for (const std::uint8_t byte : *mask) put(byte);
    out.append(head.data(), n);
    const std::size_t from = out.size();
    out.append(payload);
    if (mask) detail::apply_mask(out.data() + from, payload.size(), *mask);
}

PORTUNUS_DECL void append_close(std::string& out, websocket_code code, std::string_view reason,
                                const websocket_mask* mask) {
    if (code == websocket_code::no_code) return append_frame(out, websocket_opcode::close, {}, mask);
    std::size_t size = std::min(reason.size(), max_control_payload - 2);
    if (size != reason.size())
        while (size != 0 && (static_cast<unsigned char>(reason[size]) & 0xc0) == 0x80) --size;
    std::array<char, max_control_payload> payload;
    const auto n = static_cast<unsigned>(code);
    payload[0] = static_cast<char>(static_cast<unsigned char>(n >> 8));
    payload[1] = static_cast<char>(static_cast<unsigned char>(n & 0xff));
    std::copy_n(reason.data(), size, payload.data() + 2);
    append_frame(out, websocket_opcode::close, {payload.data(), size + 2}, mask);
}

PORTUNUS_DECL std::span<char> websocket_decoder::prepare() {
    if (begin_ == end_) {
        begin_ = end_ = 0;
        if (in_.size() > detail::most_idle_websocket_room) in_ = {};
        if (!in_message_ && whole_.capacity() > detail::most_idle_websocket_room) whole_ = {};
    }
    const std::size_t most =
        std::max(detail::first_websocket_room, max_message_ + detail::longest_websocket_header);
    if (in_.empty()) in_.resize(std::min(detail::first_websocket_room, most));
    if (end_ == in_.size() || (begin_ != 0 && in_.size() - end_ < in_.size() / 4)) {
        // What is left is the beginning of a frame, so moving it pays for at least its own size.
        const std::size_t left = end_ - begin_;
        if (begin_ != 0) {
            std::memmove(in_.data(), in_.data() + begin_, left);
            begin_ = 0;
            end_ = left;
        }
        if (left > in_.size() / 2) in_.resize(std::max(std::min(in_.size() * 2, most), left + 1));
    }
    return {in_.data() + end_, in_.size() - end_};
}

PORTUNUS_DECL void websocket_decoder::keep() {
    kept_in_ = std::move(in_);
    in_ = {};
    const std::size_t left = end_ - begin_;
    if (left != 0) {
        in_.resize(std::max(detail::first_websocket_room, left));
        std::memcpy(in_.data(), kept_in_.data() + begin_, left);
    }
    begin_ = 0;
    end_ = left;
    if (whole_done_) {
        kept_whole_ = std::move(whole_);
        whole_ = {};
    }
}

PORTUNUS_DECL void websocket_decoder::release() noexcept {
    kept_in_ = {};
    kept_whole_ = {};
}

PORTUNUS_DECL websocket_event websocket_decoder::fail(websocket_code code, std::string why) {
    failed_ = code;
    why_ = std::move(why);
    why_ += detail::websocket_position(at_);
    websocket_event e;
    e.what = kind::failed;
    e.code = code;
    e.why = why_;
    return e;
}
PORTUNUS_DECL bool websocket_decoder::fails(websocket_code code, std::string_view why) {
    (void)fail(code, std::string(why));
    return false;
}

/// The first byte, and the length's seven bits.
PORTUNUS_DECL bool websocket_decoder::check_opcode(unsigned first, unsigned length) {
    const auto wrong = [this](std::string_view why) { return fails(websocket_code::protocol_error, why); };
    const unsigned code = first & 0x0f;
    const bool may_compress = may_compress_ && (code == 1 || code == 2);
    if ((first & 0x30) != 0 || ((first & 0x40) != 0 && !may_compress))
        return wrong(may_compress_ ? "a frame with reserved bits where they mean nothing"
                                   : "a frame with reserved bits, though no extension is in use");
    if ((code > 2 && code < 8) || code > 10) return wrong("a frame of opcode " + std::to_string(code));
    if (code >= 8) {
        if ((first & 0x80) == 0) return wrong("a control frame in fragments");
        if (length > max_control_payload) return wrong("a control frame of more than 125 bytes");
        return true;
    }
    if (code == 0 && !in_message_) return wrong("a continuation of nothing");
    if (code != 0 && in_message_) return wrong("a new message inside of another one");
    return true;
}

PORTUNUS_DECL bool websocket_decoder::read_header(header& h) {
    const auto byte = [this](std::size_t i) -> unsigned {
        return static_cast<unsigned char>(in_[begin_ + i]);
    };
    const std::size_t have = end_ - begin_;
    if (have < 2) return false;
    const unsigned first = byte(0), length = byte(1) & 0x7f;
    if (!check_opcode(first, length)) return false;
    const bool masked = (byte(1) & 0x80) != 0;
    if (masked != masked_)
        return fails(websocket_code::protocol_error,
                     masked_ ? "a client's frame without a mask" : "a server's frame with a mask");
    const std::size_t extended = length < 126 ? 0 : length == 126 ? 2 : 8;
    if (have < 2 + extended) return false;
    std::uint64_t size = extended == 0 ? length : 0;
    for (std::size_t i = 0; i != extended; ++i) size = size << 8 | byte(2 + i);
    if ((extended == 2 && size < 126) || (extended == 8 && size < 65536))
        return fails(websocket_code::protocol_error, "a length that is not in its shortest form");
    h.opcode = static_cast<websocket_opcode>(first & 0x0f);
    h.final = (first & 0x80) != 0;
    h.compressed = (first & 0x40) != 0;
    const std::size_t before = h.opcode == websocket_opcode::continuation ? whole_.size() : 0;
    if (size > max_message_ - before && (first & 8) == 0) {
        return fails(websocket_code::too_large, "a message of " +
                                                    (size >> 63 ? std::string("2^63 bytes or more")
                                                                : std::to_string(size + before) + " bytes") +
                                                    " exceeds max_message " + std::to_string(max_message_));
    }
    h.size = 2 + extended + (masked_ ? 4u : 0u);
    h.payload = static_cast<std::size_t>(size);
    if (have < h.size || have - h.size < h.payload) return false;
    if (masked_)
        for (std::size_t i = 0; i != 4; ++i) h.mask[i] = static_cast<std::uint8_t>(byte(2 + extended + i));
    return true;
}

PORTUNUS_DECL websocket_event websocket_decoder::next() {
    for (;;) {
        websocket_event e;
        if (closed_) return e;
        if (failed_ != websocket_code::none) {
            e.what = kind::failed;
            e.code = failed_;
            e.why = why_;
            return e;
        }
        header h;
        if (!read_header(h)) {
            if (failed_ != websocket_code::none) continue;
            return e;
        }
        const std::span<char> payload(in_.data() + begin_ + h.size, h.payload);
        if (masked_) detail::apply_mask(payload.data(), payload.size(), h.mask);
        const std::string_view view(payload.data(), payload.size());
        switch (h.opcode) {
        case websocket_opcode::ping:
            e.what = kind::ping;
            e.payload = view;
            break;
        case websocket_opcode::pong:
            e.what = kind::pong;
            e.payload = view;
            break;
        case websocket_opcode::close:
            e = take_close(view);
            break;
        default:
            e = take_data(h, payload);
        }
        if (e.what == kind::failed) return e;
        begin_ += h.size + h.payload;
        at_ += h.size + h.payload;
        if (e.what != kind::more) return e;
    }
}

PORTUNUS_DECL websocket_event websocket_decoder::take_data(const header& h, std::span<char> payload) {
    const std::string_view view(payload.data(), payload.size());
    if (h.opcode != websocket_opcode::continuation) {
        text_ = h.opcode == websocket_opcode::text;
        utf8_ = {};
        compressed_ = h.compressed;
        if (whole_done_) whole_.clear();
        whole_done_ = false;
    }
    if (text_ && !compressed_ && (!utf8_.feed(view) || (h.final && !utf8_.complete())))
        return fail(websocket_code::bad_data, "a text that is not UTF-8");
    websocket_event e;
    const bool alone = h.final && h.opcode != websocket_opcode::continuation;
    if (!alone) whole_.insert(whole_.end(), payload.begin(), payload.end());
    in_message_ = !h.final;
    if (!h.final) return e;
    whole_done_ = !alone;
    e.what = text_ ? kind::text : kind::binary;
    e.compressed = compressed_;
    e.payload = alone ? view : std::string_view(whole_.data(), whole_.size());
    return e;
}

PORTUNUS_DECL websocket_event websocket_decoder::take_close(std::string_view payload) {
    websocket_event e;
    e.what = kind::close;
    e.code = websocket_code::no_code;
    if (!payload.empty()) {
        if (payload.size() == 1) return fail(websocket_code::protocol_error, "half a code in a close frame");
        const unsigned code = static_cast<unsigned>(static_cast<unsigned char>(payload[0])) << 8 |
                              static_cast<unsigned char>(payload[1]);
        e.code = static_cast<websocket_code>(code);
        e.payload = payload.substr(2);
        if (!may_be_sent(e.code))
            return fail(websocket_code::protocol_error, "a close frame of code " + std::to_string(code));
        if (!detail::is_utf8(e.payload))
            return fail(websocket_code::bad_data, "a close frame whose reason is not UTF-8");
    }
    closed_ = true;
    return e;
}

} // namespace portunus::http

#endif
