// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_HEAD_PARSER_HPP
#define PORTUNUS_HTTP_IMPL_HEAD_PARSER_HPP

#include <portunus/http/head_parser.hpp>

#include <portunus/http/detail/host.hpp>
#include <portunus/http/detail/scan.hpp>

#include <algorithm>
#include <limits>

namespace portunus::http {

namespace detail {

/// The first byte of every TLS record that begins a connection, and of an alert that answers none.
inline constexpr char tls_handshake = 0x16;
inline constexpr char tls_alert = 0x15;

inline constexpr std::uint64_t most_content = std::numeric_limits<std::int64_t>::max();

inline head_reader::head_reader(std::span<field_slot> slots, const head_limits& limits) noexcept
    : slots_(slots.data()) {
    constexpr std::size_t most = std::size_t(1) << 30;
    max_head_ = static_cast<std::uint32_t>(std::min(limits.max_head, most));
    max_line_ = static_cast<std::uint32_t>(std::min(limits.max_line, most));
    max_fields_ = static_cast<std::uint32_t>(std::min({limits.max_fields, slots.size(), most}));
}

inline void head_reader::restart() noexcept {
    count_ = line_ = searched_ = 0;
    line_number_ = 1;
    stage_ = stage::start;
    has_transfer_encoding_ = has_host_ = false;
    why_ = {};
}

inline const char* head_reader::stop_of(std::string_view bytes) const noexcept {
    const std::size_t limit = std::min<std::size_t>(std::size_t(line_) + max_line_, max_head_);
    return bytes.data() + std::min(bytes.size(), limit);
}

inline bool head_reader::at_limit(const char* base, const char* stop) const noexcept {
    const auto reached = static_cast<std::size_t>(stop - base);
    return reached >= std::size_t(line_) + max_line_ || reached >= max_head_;
}

inline bool head_reader::line_may_be_complete(std::string_view bytes) noexcept {
    const char* const stop = stop_of(bytes);
    const char* const from = bytes.data() + searched_;
    if (from < stop && portunus::detail::find_byte(from, stop, '\n') != stop) return true;
    if (at_limit(bytes.data(), stop)) return true;
    searched_ = static_cast<std::uint32_t>(stop - bytes.data());
    return false;
}

inline head_step head_reader::refuse(std::size_t at, refusal kind, std::uint64_t number) noexcept {
    why_ = {kind, line_number_ + count_, at, number};
    stage_ = stage::refused;
    return {head_step::kind::refused, 0};
}

inline head_step head_reader::wait(const char* base, const char* stop, refusal too_long) noexcept {
    if (!at_limit(base, stop)) {
        searched_ = static_cast<std::uint32_t>(stop - base);
        return {};
    }
    const auto reached = static_cast<std::size_t>(stop - base);
    if (reached >= std::size_t(line_) + max_line_) return refuse(reached, too_long, max_line_);
    return refuse(reached, refusal::head_too_large, max_head_);
}

inline head_step head_reader::settle(const char* base, const char* stop, const char* where, refusal kind,
                                     refusal too_long, std::uint64_t number) noexcept {
    if (portunus::detail::find_byte(where, stop, '\n') == stop && !at_limit(base, stop))
        return wait(base, stop, too_long);
    return refuse(static_cast<std::size_t>(where - base), kind, number);
}

inline refusal head_reader::read_content_length(head_facts& facts, std::string_view value) noexcept {
    if (facts.has_content_length) return refusal::repeated_content_length;
    switch (read_number(value, most_content, facts.content_length)) {
    case number_reading::malformed:
        return refusal::malformed_content_length;
    case number_reading::overflow:
        return refusal::content_length_too_large;
    case number_reading::fine:
        break;
    }
    facts.has_content_length = true;
    return refusal::none;
}

/// Only `chunked` alone is taken. What else there is gets the reason that fits: first the grammar, then
/// whether chunked is the last coding, then whether we know the coding.
inline refusal head_reader::read_transfer_encoding(message_head& head, std::string_view value) noexcept {
    if (head.version_ == http_version::v1_0) return refusal::transfer_encoding_on_1_0;
    if (same_word(value, "chunked")) {
        head.facts_.chunked = true;
        return refusal::none;
    }
    bool seen_chunked = false, behind_chunked = false;
    for (std::string_view rest = value;;) {
        const std::size_t comma = rest.find(',');
        const std::string_view coding = trimmed(rest.substr(0, comma));
        const std::string_view name = trimmed(coding.substr(0, coding.find(';')));
        if (!is_token(name)) return refusal::malformed_transfer_encoding;
        if (seen_chunked) behind_chunked = true;
        if (same_word(name, "chunked")) {
            if (name.size() != coding.size())
                return refusal::malformed_transfer_encoding; // it has no parameters
            seen_chunked = true;
        }
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    return behind_chunked ? refusal::chunked_not_final : refusal::unknown_transfer_coding;
}

inline void head_reader::read_connection(head_facts& facts, std::string_view value) noexcept {
    const auto take = [&facts](std::string_view word) {
        bool* const told = word.size() == 10 && is_name(word.data(), "keep-alive") ? &facts.keep_alive
                           : word.size() == 5 && is_name(word.data(), "close")     ? &facts.close
                           : word.size() == 7 && is_name(word.data(), "upgrade")   ? &facts.upgrade_option
                                                                                   : nullptr;
        if (told != nullptr) *told = true;
        return told != nullptr;
    };
    if (take(value)) return;
    for (const std::string_view word : list_elements(value)) take(word);
}

inline refusal head_reader::take_host(request_head& head, const char* base, std::string_view value) noexcept {
    if (has_host_) return refusal::repeated_host;
    has_host_ = true;
    host_reading read;
    // Most are a name of plain letters, and a port.
    const char* const end = value.data() + value.size();
    const char* const plain = find_plain_end(base, value.data(), end);
    const auto size = static_cast<std::size_t>(plain - value.data());
    if (size != 0 && size <= max_host_name) {
        read.name_size = static_cast<std::uint32_t>(size);
        if (plain == end)
            read.fine = true;
        else if (*plain == ':')
            read.fine = (read.port = read_port({plain + 1, static_cast<std::size_t>(end - plain) - 1})) != 0;
    }
    if (!read.fine) read = read_host(value);
    if (!read.fine) return refusal::malformed_host;
    if (head.host_.size != 0) return refusal::none; // the target's counts
    head.host_ = {static_cast<std::uint32_t>(value.data() - base), static_cast<std::uint32_t>(value.size())};
    head.host_name_size_ = read.name_size;
    head.port_ = read.port;
    return refusal::none;
}

inline refusal head_reader::take_expect(message_head& head, std::string_view value) noexcept {
    if (same_word(value, "100-continue"))
        head.facts_.expect_continue = true;
    else if (head.version_ == http_version::v1_1)
        return refusal::unknown_expectation;
    return refusal::none;
}

inline refusal head_reader::take_content_length(message_head& head, std::string_view value) noexcept {
    const refusal wrong = read_content_length(head.facts_, value);
    if (wrong != refusal::none) return wrong;
    return has_transfer_encoding_ ? refusal::transfer_encoding_with_length : refusal::none;
}

inline refusal head_reader::take_transfer_encoding(message_head& head, std::string_view value) noexcept {
    if (has_transfer_encoding_) return refusal::repeated_transfer_encoding;
    const refusal wrong = read_transfer_encoding(head, value);
    if (wrong != refusal::none) return wrong;
    has_transfer_encoding_ = true;
    return head.facts_.has_content_length ? refusal::transfer_encoding_with_length : refusal::none;
}

/// A line that is not complete, or not a field, or too long: says which. Each step looks at no byte beyond
/// `stop`, so that it comes to the same when the rest has not arrived.
inline head_step head_reader::odd_line(const char* base, const char* stop) noexcept {
    constexpr refusal too_long = refusal::line_too_long;
    const char* const line = base + line_;
    if (stop - line < 1 || (*line == '\r' && stop - line < 2)) return wait(base, stop, too_long);
    if (is_blank(*line)) return settle(base, stop, line, refusal::folded_line, too_long);
    if (*line == '\n') return settle(base, stop, line, refusal::bare_lf, too_long);
    if (*line == '\r') return settle_byte(base, stop, line + 1, refusal::bare_cr, too_long);

    const char* p = portable::find_name_end(line, stop);
    if (p == stop) return wait(base, stop, too_long);
    if (*p != ':' || p == line) {
        const char* next = p;
        while (next != stop && is_blank(*next)) ++next;
        const bool space = p != line && next != p && next != stop && *next == ':';
        const refusal kind = space ? refusal::space_before_colon : refusal::malformed_field_name;
        return settle_byte(base, stop, p, kind, too_long);
    }
    p = portable::find_value_end(p + 1, stop);
    if (p == stop || (*p == '\r' && stop - p < 2)) return wait(base, stop, too_long);
    if (*p == '\n') return settle(base, stop, p, refusal::bare_lf, too_long);
    if (*p != '\r') return settle_byte(base, stop, p, refusal::malformed_field_value, too_long);
    if (p[1] != '\n') return settle_byte(base, stop, p + 1, refusal::bare_cr, too_long);
    return refuse(static_cast<std::size_t>(line - base), refusal::too_many_fields, max_fields_);
}

inline refusal head_reader::take_field(message_head& head, const char* base, const field_slot& field,
                                       bool request) noexcept {
    const char* const name = base + field.name;
    const std::string_view value(base + field.value, field.value_size);
    switch (field.name_size) {
    case 4:
        if (!request || !is_name(name, "host")) return refusal::none;
        return take_host(static_cast<request_head&>(head), base, value);
    case 6:
        return request && is_name(name, "expect") ? take_expect(head, value) : refusal::none;
    case 7:
        if (is_name(name, "upgrade")) head.facts_.upgrade_field = true;
        return refusal::none;
    case 10:
        if (is_name(name, "connection")) read_connection(head.facts_, value);
        return refusal::none;
    case 14:
        return is_name(name, "content-length") ? take_content_length(head, value) : refusal::none;
    case 17:
        return is_name(name, "transfer-encoding") ? take_transfer_encoding(head, value) : refusal::none;
    default:
        return refusal::none;
    }
}

/// What the fields that `take_field` looks for begin with, by the length of their names.
inline constexpr char telling_initial[18] = {0, 0,   0, 0, 'h', 0,   'e', 'u', 0,
                                             0, 'c', 0, 0, 0,   'c', 0,   0,   't'};

inline bool is_line_end(const char* p) noexcept {
    std::uint16_t found, wanted;
    std::memcpy(&found, p, 2);
    std::memcpy(&wanted, "\r\n", 2);
    return found == wanted;
}

inline head_step head_reader::read_fields(std::string_view bytes, message_head& head, bool request) noexcept {
    const char* const base = bytes.data();
    const char* const end = base + std::min<std::size_t>(bytes.size(), max_head_);
    // Kept here, since whatever is stored through `slots` could be these for all the compiler knows.
    const std::ptrdiff_t max_line = max_line_;
    const std::uint32_t max_fields = max_fields_;
    field_slot* const slots = slots_;
    std::uint32_t count = count_;
    const auto offset = [base](const char* p) { return static_cast<std::uint32_t>(p - base); };
    const char* line = base + line_;
    value_ends ends(base, line, end);
    while (end - line >= 2) {
        if (is_line_end(line)) {
            if (max_line < 2) break;
            line_ = searched_ = offset(line) + 2;
            count_ = count;
            stage_ = stage::done;
            head.base_ = base;
            head.slots_ = slots;
            head.count_ = count;
            return {head_step::kind::complete, line_};
        }
        // A line is taken when all of it is fine. Any other is looked at again, with care.
        const char* const colon = find_name_end(base, line, end);
        if (colon == end || *colon != ':' || colon == line) break;
        const char* cr = ends.next(line);
        while (end - cr >= 2 && !is_line_end(cr) && *cr == '\t') {
            ends.pass();
            cr = ends.next(line);
        }
        if (end - cr < 2 || !is_line_end(cr) || cr - line > max_line - 2 || count == max_fields) break;
        ends.pass_line_end();

        // Nothing below the space but blanks, and the CR, which ends the first loop.
        const char* value = colon + 1;
        if (*value == ' ') ++value;
        if (static_cast<unsigned char>(*value) <= ' ')
            while (is_blank(*value)) ++value;
        const char* value_end = cr;
        if (static_cast<unsigned char>(value_end[-1]) <= ' ')
            while (value_end != value && is_blank(value_end[-1])) --value_end;
        const auto name_size = static_cast<std::uint32_t>(colon - line);
        const auto value_size = static_cast<std::uint32_t>(value_end - value);
        slots[count] = {offset(line), name_size, offset(value), value_size};
        if (name_size < sizeof telling_initial && telling_initial[name_size] == (*line | 0x20)) {
            const refusal wrong = take_field(head, base, slots[count], request);
            if (wrong != refusal::none) {
                count_ = count;
                return refuse(offset(value), wrong,
                              wrong == refusal::content_length_too_large ? most_content : 0);
            }
        }
        ++count;
        line = cr + 2;
    }
    line_ = searched_ = offset(line);
    count_ = count;
    return odd_line(base, stop_of(bytes));
}

} // namespace detail

inline head_step request_parser::begin(std::string_view bytes) noexcept {
    const char* const base = bytes.data();
    if (line_ == bytes.size()) return wait(base, stop_of(bytes), refusal::target_too_long);
    if (line_ == 0 && base[0] == '\r') {
        if (bytes.size() < 2) return {};
        if (base[1] != '\n') return refuse(1, refusal::bare_cr, static_cast<unsigned char>(base[1]));
        line_ = searched_ = 2;
        ++line_number_;
        if (bytes.size() == 2) return {};
    }
    const char first = base[line_];
    if (detail::is_of(detail::class_token, first)) {
        stage_ = stage::first_line;
        return {head_step::kind::complete, 0};
    }
    const auto byte = static_cast<unsigned char>(first);
    if (first == detail::tls_handshake) return refuse(line_, refusal::tls);
    if (first == '\n') return refuse(line_, refusal::bare_lf);
    if (first == '\r' || first == ' ') return refuse(line_, refusal::malformed_request_line, byte);
    return refuse(line_, refusal::malformed_method, byte);
}

inline head_step request_parser::feed(std::string_view bytes) noexcept {
    if (stage_ == stage::start && !bytes.empty() && line_ == 0 &&
        detail::is_of(detail::class_token, bytes[0])) {
        stage_ = stage::first_line;
    } else if (stage_ == stage::start) {
        const head_step begun = begin(bytes);
        if (stage_ != stage::first_line) return begun;
    } else if (stage_ == stage::done) {
        return {head_step::kind::complete, line_};
    } else if (stage_ == stage::refused) {
        return {head_step::kind::refused, 0};
    } else if (searched_ != line_ && !line_may_be_complete(bytes)) {
        return {};
    }
    if (stage_ == stage::first_line) {
        const head_step line = read_request_line(bytes);
        if (stage_ != stage::fields) return line;
    }
    const head_step step = read_fields(bytes, head_, true);
    if (step.what == head_step::kind::complete && !has_host_ && head_.version_ == http_version::v1_1)
        return refuse(step.size - 2, refusal::missing_host);
    return step;
}

inline head_step request_parser::read_request_line(std::string_view bytes) noexcept {
    constexpr refusal too_long = refusal::target_too_long;
    const char* const base = bytes.data();
    const char* const stop = stop_of(bytes);
    const auto range = [base](const char* from, const char* to) {
        return detail::text_range{static_cast<std::uint32_t>(from - base),
                                  static_cast<std::uint32_t>(to - from)};
    };

    const char* const method = base + line_;
    const char* p = method;
    if (stop - p >= 4 && detail::load_four(p) == detail::load_four("GET ")) {
        head_.method_ = verb::get;
        p += 3;
    } else {
        while (p != stop && detail::is_of(detail::class_token, *p)) ++p;
        if (static_cast<std::size_t>(p - method) > max_method)
            return settle(base, stop, method + max_method, refusal::method_too_long, too_long, max_method);
        if (p == stop) return wait(base, stop, too_long);
        if (*p != ' ') {
            const bool ends = *p == '\r' || *p == '\n';
            return settle_byte(base, stop, p,
                               ends ? refusal::malformed_request_line : refusal::malformed_method, too_long);
        }
        head_.method_ = boost::beast::http::string_to_verb({method, static_cast<std::size_t>(p - method)});
    }
    head_.method_text_ = range(method, p);

    const char* const target = ++p;
    p = detail::find_target_end(base, p, stop);
    if (p == stop) return wait(base, stop, too_long);
    if (*p != ' ') {
        const bool ends = *p == '\r' || *p == '\n';
        const refusal kind = !ends         ? refusal::malformed_target
                             : p == target ? refusal::malformed_request_line
                                           : refusal::malformed_version;
        return settle_byte(base, stop, p, kind, too_long);
    }
    if (p == target) return settle_byte(base, stop, p, refusal::malformed_request_line, too_long);
    head_.target_ = range(target, p);

    const char* const version = ++p;
    if (stop - p >= 10 && detail::load_eight(p) == detail::load_eight("HTTP/1.1") && p[8] == '\r' &&
        p[9] == '\n') {
        head_.version_ = http_version::v1_1;
        p += 10;
    } else {
        const char* const end = portunus::detail::find_byte(p, stop, '\n');
        if (end == stop) return wait(base, stop, too_long);
        const bool with_cr = end != p && end[-1] == '\r';
        const std::string_view text(p, static_cast<std::size_t>(end - p) - (with_cr ? 1 : 0));
        const bool formed = text.size() == 8 && text.starts_with("HTTP/") && detail::is_digit(text[5]) &&
                            text[6] == '.' && detail::is_digit(text[7]);
        const auto at = static_cast<std::size_t>(version - base);
        if (!formed) {
            if (const std::size_t cr = text.find('\r'); cr != std::string_view::npos)
                return refuse(at + cr + 1, refusal::bare_cr, static_cast<unsigned char>(p[cr + 1]));
            return refuse(at, refusal::malformed_version, static_cast<unsigned char>(*p));
        }
        if (!with_cr) return refuse(at + 8, refusal::bare_lf);
        if (text != "HTTP/1.1" && text != "HTTP/1.0") {
            const std::string_view before(method, static_cast<std::size_t>(version - method));
            const bool preface = text == "HTTP/2.0" && before == "PRI * ";
            return refuse(at, preface ? refusal::http2 : refusal::unsupported_version);
        }
        head_.version_ = text[7] == '1' ? http_version::v1_1 : http_version::v1_0;
        p = end + 1;
    }

    if (*target == '/' && head_.method_ != verb::connect) {
        head_.form_ = target_form::origin;
        head_.path_ =
            range(target, version - 1); // not copied from the target, whose halves have just been stored
        next_line(base, p);
        stage_ = stage::fields;
        return {};
    }
    std::size_t at = 0;
    const std::string_view whole(base + head_.target_.begin, head_.target_.size);
    const refusal wrong = read_target(whole, at);
    if (wrong != refusal::none)
        return refuse(head_.target_.begin + at, wrong,
                      at < whole.size() ? static_cast<unsigned char>(whole[at]) : 0);
    next_line(base, p);
    stage_ = stage::fields;
    return {};
}

/// Which of the forms it is, origin form apart. `at`: what is wrong, counted from the target's first byte.
inline refusal request_parser::read_target(std::string_view target, std::size_t& at) noexcept {
    const std::uint32_t begin = head_.target_.begin;
    const auto take_host = [&](std::size_t from, std::string_view text) {
        const detail::host_reading read = detail::read_host(text);
        at = from;
        if (!read.fine) return false;
        head_.host_ = {static_cast<std::uint32_t>(begin + from), static_cast<std::uint32_t>(text.size())};
        head_.host_name_size_ = read.name_size;
        head_.port_ = read.port;
        return true;
    };
    if (head_.method_ == verb::connect) {
        head_.form_ = target_form::authority;
        if (!take_host(0, target) || head_.port_ == 0) return refusal::malformed_target;
        return refusal::none;
    }
    if (target == "*") {
        if (head_.method_ != verb::options) return refusal::malformed_target;
        head_.form_ = target_form::asterisk;
        head_.path_ = head_.target_;
        return refusal::none;
    }
    head_.form_ = target_form::absolute;
    std::size_t scheme = 0;
    if (detail::same_word(target.substr(0, 7), "http://")) {
        scheme = 7;
    } else if (detail::same_word(target.substr(0, 8), "https://")) {
        scheme = 8;
        head_.secure_ = true;
    } else {
        return refusal::malformed_target;
    }
    const std::size_t end = std::min(target.find_first_of("/?", scheme), target.size());
    if (!take_host(scheme, target.substr(scheme, end - scheme))) return refusal::malformed_target;
    head_.path_ = {static_cast<std::uint32_t>(begin + end), static_cast<std::uint32_t>(target.size() - end)};
    return refusal::none;
}

inline head_step response_parser::feed(std::string_view bytes) noexcept {
    if (stage_ == stage::start) {
        if (bytes.empty()) return {};
        if (bytes.front() != 'H') {
            const bool tls = bytes.front() == detail::tls_handshake || bytes.front() == detail::tls_alert;
            if (tls) return refuse(0, refusal::tls);
            return refuse(0, refusal::malformed_status_line, static_cast<unsigned char>(bytes.front()));
        }
        stage_ = stage::first_line;
    } else if (stage_ == stage::done) {
        return {head_step::kind::complete, line_};
    } else if (stage_ == stage::refused) {
        return {head_step::kind::refused, 0};
    } else if (searched_ != line_ && !line_may_be_complete(bytes)) {
        return {};
    }
    if (stage_ == stage::first_line) {
        const head_step line = read_status_line(bytes);
        if (stage_ != stage::fields) return line;
    }
    return read_fields(bytes, head_, false);
}

inline head_step response_parser::read_status_line(std::string_view bytes) noexcept {
    constexpr refusal too_long = refusal::line_too_long;
    const char* const base = bytes.data();
    const char* const stop = stop_of(bytes);
    const char* const end = portunus::detail::find_byte(base, stop, '\n');
    if (end == stop) return wait(base, stop, too_long);
    const bool with_cr = end != base && end[-1] == '\r';
    const std::string_view line(base, static_cast<std::size_t>(end - base) - (with_cr ? 1 : 0));
    const auto refuse_at = [&](std::size_t at, refusal kind) {
        return refuse(at, kind, static_cast<unsigned char>(base[at]));
    };
    constexpr std::string_view pattern = "HTTP/";
    std::size_t at = 0;
    while (at != pattern.size() && at != line.size() && line[at] == pattern[at]) ++at;
    if (at != pattern.size() || line.size() < 8 || !detail::is_digit(line[5]) || line[6] != '.' ||
        !detail::is_digit(line[7]))
        return refuse_at(std::min(at, line.size()), refusal::malformed_version);
    const std::string_view version = line.substr(0, 8);
    if (version != "HTTP/1.1" && version != "HTTP/1.0") return refuse(0, refusal::unsupported_version);
    head_.version_ = version[7] == '1' ? http_version::v1_1 : http_version::v1_0;

    at = 8;
    if (line.size() < 12 || line[8] != ' ') return refuse_at(8, refusal::malformed_status_line);
    for (at = 9; at != 12; ++at)
        if (!detail::is_digit(line[at]) || (at == 9 && line[at] == '0'))
            return refuse_at(at, refusal::malformed_status_line);
    head_.code_ = static_cast<unsigned>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    if (line.size() > 12) {
        if (line[12] != ' ') return refuse_at(12, refusal::malformed_status_line);
        const char* const reason = base + 13;
        const char* const last = base + line.size();
        const char* const wrong = detail::find_value_end(base, reason, last);
        if (wrong != last) {
            const auto place = static_cast<std::size_t>(wrong - base);
            return *wrong == '\r' ? refuse_at(place + 1, refusal::bare_cr)
                                  : refuse_at(place, refusal::malformed_status_line);
        }
        head_.reason_ = {13, static_cast<std::uint32_t>(line.size() - 13)};
    }
    if (!with_cr) return refuse(line.size(), refusal::bare_lf);
    next_line(base, end + 1);
    stage_ = stage::fields;
    return {};
}

} // namespace portunus::http

#endif
