// SPDX-License-Identifier: BSL-1.0
// In-band commands: where data is cut depends on the pieces in which it arrives, so what a stream comes to is
// compared with the data between two commands joined. No Catch2 in here: the fuzz target uses it, too.
#ifndef PORTUNUS_TESTS_UNIT_FRAMING_INBAND_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_FRAMING_INBAND_SUPPORT_HPP

#include "decode_support.hpp"

#include <portunus/framing/inband_codec.hpp>

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace framing_test {

using portunus::inband_codec;
using portunus::inband_options;
using portunus::inband_piece;

/// The codec, writing down what `piece` says of each frame: `d` and the data, or `c`, the tag and the
/// command.
struct recorded_inband {
    inband_codec codec;
    std::shared_ptr<std::vector<std::string>> log = std::make_shared<std::vector<std::string>>();

    decode_step record(const decode_step& step) {
        if (step.what != decode_step::kind::frame) return step;
        const inband_piece piece = codec.piece(step.frame);
        demand(!step.frame.empty(), "an empty frame");
        if (piece.is_command()) {
            demand(step.frame.back() == codec.end(), "a command without its end");
            demand(step.frame.size() <= codec.max_command(), "a command exceeds max_command");
            log->push_back(std::string("c") + piece.tag + std::string(piece.bytes));
        } else {
            demand(step.frame.size() <= codec.max_frame(), "a piece of data exceeds max_frame");
            log->push_back("d" + std::string(piece.bytes));
        }
        return step;
    }
    decode_step decode(char* data, std::size_t size) { return record(codec.decode(data, size)); }
    decode_step finish(char* data, std::size_t size) { return record(codec.finish(data, size)); }
    portunus::error failure() const { return codec.failure(); }
    std::size_t max_frame() const { return codec.max_frame(); }
    std::size_t max_encoded() const { return codec.max_encoded(); }
    std::size_t encode_bound(std::string_view payload) const { return codec.encode_bound(payload); }
    std::size_t encode(std::string_view payload, char* out) { return codec.encode(payload, out); }
    portunus::error encode_failure(std::string_view payload) const { return codec.encode_failure(payload); }
    void reset() { codec.reset(); }
};
static_assert(portunus::frame_codec<recorded_inband>);

/// What was written down, with neighbouring pieces of data joined.
inline std::vector<std::string> joined(const std::vector<std::string>& log) {
    std::vector<std::string> all;
    for (const std::string& entry : log) {
        if (entry[0] == 'd' && !all.empty() && all.back()[0] == 'd')
            all.back() += entry.substr(1);
        else
            all.push_back(entry);
    }
    return all;
}

/// All that a stream came to.
inline outcome inband_outcome(const inband_codec& codec, std::string_view input,
                              const std::vector<std::size_t>& cuts, bool by_decoder = false) {
    recorded_inband recorded{codec};
    outcome result =
        by_decoder ? decode_by_decoder(recorded, input, cuts) : decode_in_pieces(recorded, input, cuts);
    result.frames = joined(*recorded.log);
    return result;
}

/// The rules, a character at a time.
inline outcome inband_model(const inband_options& options, std::string_view input) {
    outcome result;
    std::vector<std::string> log;
    std::string raw; // an escape, or a command, that is not complete
    for (const char byte : input) {
        if (raw.empty()) {
            if (byte == options.escape)
                raw = byte;
            else
                log.push_back(std::string("d") + byte);
        } else if (raw.size() == 1 && byte == options.escape) {
            log.push_back(std::string("d") + byte);
            raw.clear();
        } else {
            raw += byte;
            if (raw.size() == 2) continue;
            if (byte == options.end) {
                log.push_back("c" + raw.substr(1));
                raw.clear();
            } else if (raw.size() - 2 >= options.max_command) {
                result.end = make_error_code(errc::frame_too_large);
                break;
            }
        }
    }
    if (!result.end.failed() && !raw.empty()) {
        result.end = make_error_code(errc::partial_frame);
        result.left = raw;
    }
    result.frames = joined(log);
    return result;
}

} // namespace framing_test

#endif
