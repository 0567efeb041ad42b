// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_SCRAM_TEXT_HPP
#define PORTUNUS_CHANNEL_DETAIL_SCRAM_TEXT_HPP

#include <portunus/channel/detail/json_scalar.hpp>
#include <portunus/core/base64.hpp>
#include <portunus/core/result.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// \file
/// The four messages of SCRAM as text (RFC 5802, section 7). Views point into the text that was read. Strict:
/// each message has one form, but for extensions at its end, which are ignored; mandatory ones ("m=") are
/// refused, as the RFC wants.

namespace portunus::detail {

inline constexpr std::size_t longest_scram_name = 256;
inline constexpr std::size_t longest_scram_nonce = 256;
inline constexpr std::size_t longest_scram_salt = 1024;

inline error bad_scram(std::string_view why) {
    return error(errc::malformed_data, "SCRAM: " + std::string(why));
}

/// Takes `X=value` from the front of a list with commas. False where it does not begin so.
inline bool take_attribute(std::string_view& rest, char letter, std::string_view& value) noexcept {
    if (rest.size() < 2 || rest[0] != letter || rest[1] != '=') return false;
    rest.remove_prefix(2);
    const std::size_t end = rest.find(',');
    value = rest.substr(0, end);
    // the comma stays, to show whether something follows
    rest.remove_prefix(value.size());
    return true;
}
inline bool take_comma(std::string_view& rest) noexcept {
    if (rest.empty() || rest[0] != ',') return false;
    rest.remove_prefix(1);
    return true;
}

/// Extensions at the end of a message: letters with values that mean nothing to us.
inline bool only_extensions(std::string_view rest) noexcept {
    while (!rest.empty()) {
        if (!take_comma(rest) || rest.size() < 3) return false;
        const char letter = rest[0];
        const bool alpha = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
        std::string_view value;
        if (!alpha || letter == 'm' || !take_attribute(rest, letter, value) || value.empty()) return false;
        for (std::string_view left = value; !left.empty();) {
            const std::size_t length = utf8_length(left);
            if (length == 0 || left[0] == '\0') return false;
            left.remove_prefix(length);
        }
    }
    return true;
}

inline bool is_scram_nonce(std::string_view nonce) noexcept {
    if (nonce.empty() || nonce.size() > longest_scram_nonce) return false;
    for (const char c : nonce)
        if (c < 0x21 || c > 0x7E || c == ',') return false;
    return true;
}

/// What names and secrets may be. Of SASLprep (RFC 4013) this is the part that changes nothing: for printable
/// ASCII that is all of it. Other characters are taken as they are, and have to come in the same normal form
/// from both sides.
inline bool is_scram_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= longest_scram_name && is_plain_text(name);
}

inline std::string write_scram_name(std::string_view name) {
    std::string text;
    for (const char c : name) {
        if (c == ',')
            text += "=2C";
        else if (c == '=')
            text += "=3D";
        else
            text += c;
    }
    return text;
}

inline result<std::string> read_scram_name(std::string_view text) {
    std::string name;
    while (!text.empty()) {
        if (text[0] != '=') {
            name += text[0];
            text.remove_prefix(1);
            continue;
        }
        const std::string_view escape = text.substr(0, 3);
        if (escape != "=2C" && escape != "=3D") return bad_scram("an = in the name that is no =2C or =3D");
        name += escape == "=2C" ? ',' : '=';
        text.remove_prefix(3);
    }
    if (!is_scram_name(name))
        return bad_scram("a name has 1 to 256 bytes of UTF-8 and no control characters");
    return name;
}

/// n,,n=user,r=nonce
struct scram_client_first {
    char binding_flag = 'n';         ///< n: none, y: the client could, p: with the one named
    std::string_view binding_name{}; ///< with p
    std::string_view header{};       ///< up to the second comma, that included
    std::string_view bare{};         ///< what follows it
    std::string name{};
    std::string_view nonce{};
};

inline result<scram_client_first> read_client_first(std::string_view text) {
    scram_client_first m;
    std::string_view rest = text;
    if (rest.empty()) return bad_scram("an empty message");
    m.binding_flag = rest[0];
    if (m.binding_flag == 'p') {
        if (!take_attribute(rest, 'p', m.binding_name) || m.binding_name.empty())
            return bad_scram("p without the name of a channel binding");
    } else if (m.binding_flag == 'n' || m.binding_flag == 'y') {
        rest.remove_prefix(1);
    } else {
        return bad_scram("the first message begins with n, y or p=");
    }
    if (!take_comma(rest)) return bad_scram("no comma after the channel binding");
    if (!take_comma(rest)) return bad_scram("an authorisation identity, which is not supported");
    m.header = text.substr(0, text.size() - rest.size());
    m.bare = rest;
    std::string_view name;
    if (!take_attribute(rest, 'n', name) || !take_comma(rest)) return bad_scram("no name n= in its place");
    if (!take_attribute(rest, 'r', m.nonce) || !is_scram_nonce(m.nonce))
        return bad_scram("no nonce r= in its place");
    if (!only_extensions(rest)) return bad_scram("something after the nonce that is no extension");
    auto read = read_scram_name(name);
    if (!read) return std::move(read).error();
    m.name = *std::move(read);
    return m;
}

/// r=nonce,s=salt,i=4096
struct scram_server_first {
    std::string_view nonce{};
    std::string salt{};
    std::uint32_t iterations = 0;
};

inline result<scram_server_first> read_server_first(std::string_view text) {
    scram_server_first m;
    std::string_view rest = text, salt, count;
    if (!take_attribute(rest, 'r', m.nonce) || !is_scram_nonce(m.nonce))
        return bad_scram("no nonce r= in its place");
    if (!take_comma(rest) || !take_attribute(rest, 's', salt)) return bad_scram("no salt s= in its place");
    if (!take_comma(rest) || !take_attribute(rest, 'i', count))
        return bad_scram("no number of iterations i= in its place");
    if (!only_extensions(rest)) return bad_scram("something after the iterations that is no extension");
    auto bytes = base64_decode(salt);
    if (!bytes || bytes->empty() || bytes->size() > longest_scram_salt)
        return bad_scram("the salt is no base64 of 1 to 1024 bytes");
    m.salt = *std::move(bytes);
    const char* const end = count.data() + count.size();
    const auto [stop, code] = std::from_chars(count.data(), end, m.iterations);
    if (count.empty() || count[0] == '0' || count[0] == '-' || code != std::errc() || stop != end)
        return bad_scram("the number of iterations is no number");
    return m;
}

/// c=biws,r=nonce,p=proof
struct scram_client_final {
    std::string binding{}; ///< the header again, and the bytes of the channel binding
    std::string_view nonce{};
    std::string_view without_proof{}; ///< what the proof is about
    std::string proof{};              ///< 32 bytes
};

inline result<scram_client_final> read_client_final(std::string_view text) {
    scram_client_final m;
    const std::size_t proof_at = text.rfind(",p=");
    if (proof_at == std::string_view::npos) return bad_scram("no proof p= at the end");
    m.without_proof = text.substr(0, proof_at);
    std::string_view rest = m.without_proof, binding;
    if (!take_attribute(rest, 'c', binding) || !take_comma(rest))
        return bad_scram("no channel binding c= in its place");
    if (!take_attribute(rest, 'r', m.nonce) || !is_scram_nonce(m.nonce))
        return bad_scram("no nonce r= in its place");
    if (!only_extensions(rest)) return bad_scram("something after the nonce that is no extension");
    auto bound = base64_decode(binding);
    if (!bound || bound->empty()) return bad_scram("the channel binding is no base64");
    auto proof = base64_decode(text.substr(proof_at + 3));
    if (!proof || proof->size() != 32) return bad_scram("the proof is no base64 of 32 bytes");
    m.binding = *std::move(bound);
    m.proof = *std::move(proof);
    return m;
}

/// v=signature: its 32 bytes
inline result<std::string> read_server_final(std::string_view text) {
    std::string_view rest = text, value;
    if (take_attribute(rest, 'e', value)) return error(errc::unauthenticated, "SCRAM: the server refused");
    if (!take_attribute(rest, 'v', value)) return bad_scram("no signature v= in its place");
    if (!only_extensions(rest)) return bad_scram("something after the signature that is no extension");
    auto signature = base64_decode(value);
    if (!signature || signature->size() != 32) return bad_scram("the signature is no base64 of 32 bytes");
    return signature;
}

} // namespace portunus::detail

#endif
