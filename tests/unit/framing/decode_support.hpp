// SPDX-License-Identifier: BSL-1.0
// Feeds a codec in pieces, in memory that has exactly the size of what the codec may see, so that the address
// sanitizer finds each byte that is read beyond; and holds the codec to its contract on the way. No Catch2 in
// here: the fuzz targets use it, too.
#ifndef PORTUNUS_TESTS_UNIT_FRAMING_DECODE_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_FRAMING_DECODE_SUPPORT_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/frame_decoder.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <ostream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace framing_test {

using portunus::decode_step;
using portunus::errc;

/// All that a stream of bytes came to.
struct outcome {
    std::vector<std::string> frames{};
    boost::system::error_code end{}; // success: a clean end
    std::string left{};              // after a partial frame at the end: its bytes

    bool operator==(const outcome&) const = default;
};

/// What a table says: frames, and optionally how it ends.
inline outcome frames(std::vector<std::string> expected) {
    return {std::move(expected)};
}
inline outcome frames_then(std::vector<std::string> expected, errc end, std::string left = {}) {
    return {std::move(expected), make_error_code(end), std::move(left)};
}

inline std::string printable(std::string_view bytes) {
    std::string text = "\"";
    for (const char c : bytes) {
        static constexpr char digits[] = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f)
            text += c;
        else
            (text += "\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    return text + '"';
}

inline std::ostream& operator<<(std::ostream& out, const outcome& o) {
    for (const std::string& frame : o.frames) out << printable(frame) << ' ';
    return out << "then " << o.end.message() << ' ' << printable(o.left);
}

inline void demand(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

/// Bytes in memory of exactly their size.
class exact_bytes {
  public:
    void append(std::string_view more) { assign(std::string(view()).append(more)); }
    void drop(std::size_t count) { assign(std::string(view().substr(count))); }
    char* data() { return bytes_.get(); }
    std::size_t size() const { return size_; }
    std::string_view view() const { return {bytes_.get(), size_}; }

  private:
    void assign(const std::string& all) {
        bytes_.reset(new char[all.size()]);
        if (!all.empty()) std::memcpy(bytes_.get(), all.data(), all.size());
        size_ = all.size();
    }
    std::unique_ptr<char[]> bytes_{new char[0]};
    std::size_t size_ = 0;
};

/// Feeds `input` cut at `cuts` (ascending positions), then ends the stream.
template <class Codec>
outcome decode_in_pieces(Codec codec, std::string_view input, const std::vector<std::size_t>& cuts) {
    outcome result;
    exact_bytes bytes;
    std::size_t owed = 0; // of the bytes that the codec said are missing at least
    const auto take = [&](const decode_step& step) {
        demand(step.consumed <= bytes.size(), "a step consumes more than there is");
        if (step.what == decode_step::kind::frame) {
            const char* const front = bytes.data();
            demand(step.frame.data() >= front, "a frame begins before the buffer");
            demand(step.frame.data() + step.frame.size() <= front + step.consumed,
                   "a frame reaches beyond what was consumed");
            result.frames.emplace_back(step.frame);
        }
        if (step.what == decode_step::kind::failed) {
            const portunus::error why = codec.failure();
            demand(why.code().failed(), "a failed step has no failure");
            result.end = why.code();
        }
        if (step.what == decode_step::kind::more)
            demand(step.consumed != 0 || bytes.size() < codec.max_encoded(),
                   "a codec wants more than its max_encoded");
        bytes.drop(step.consumed);
        return step.what;
    };
    const auto drain = [&](bool ended) {
        for (;;) {
            const decode_step step =
                ended ? codec.finish(bytes.data(), bytes.size()) : codec.decode(bytes.data(), bytes.size());
            if (step.what == decode_step::kind::frame && !ended)
                demand(owed == 0, "a frame came before the bytes that were said to be needed");
            owed = step.what == decode_step::kind::more ? step.need : 0;
            const auto what = take(step);
            if (what != decode_step::kind::frame) return what;
        }
    };
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
        const std::size_t end = i < cuts.size() ? std::min(cuts[i], input.size()) : input.size();
        bytes.append(input.substr(begin, end - begin));
        owed -= std::min(owed, end - begin);
        if (drain(false) == decode_step::kind::failed) {
            const boost::system::error_code first = result.end;
            demand(drain(false) == decode_step::kind::failed && result.end == first,
                   "a failure is not final");
            return result;
        }
        begin = end;
    }
    if (drain(true) == decode_step::kind::failed) {
        if (result.end == errc::partial_frame) result.left = bytes.view();
        return result;
    }
    demand(bytes.size() == 0, "a clean end leaves bytes");
    return result;
}

/// The same through a `frame_decoder`.
template <class Codec>
outcome decode_by_decoder(Codec codec, std::string_view input, const std::vector<std::size_t>& cuts) {
    outcome result;
    portunus::frame_decoder<Codec> decoder(std::move(codec));
    const auto drain = [&](bool ended) {
        for (;;) {
            const decode_step step = ended ? decoder.finish() : decoder.next();
            if (step.what == decode_step::kind::failed) result.end = decoder.failure().code();
            if (step.what != decode_step::kind::frame) return step.what;
            result.frames.emplace_back(step.frame);
        }
    };
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
        const std::size_t end = i < cuts.size() ? std::min(cuts[i], input.size()) : input.size();
        while (begin < end) {
            const std::span<char> room = decoder.prepare();
            demand(!room.empty(), "prepare gives no room");
            const std::size_t count = std::min(room.size(), end - begin);
            std::memcpy(room.data(), input.data() + begin, count);
            decoder.commit(count);
            begin += count;
            if (drain(false) == decode_step::kind::failed) return result;
            demand(decoder.capacity() <= decoder.max_capacity(), "the buffer outgrows its cap");
        }
    }
    if (drain(true) == decode_step::kind::failed) {
        if (result.end == errc::partial_frame) result.left = decoder.buffered();
        return result;
    }
    demand(decoder.buffered().empty() && decoder.release(), "a clean end leaves bytes");
    return result;
}

inline std::vector<std::size_t> every_cut(std::size_t size) {
    std::vector<std::size_t> cuts;
    for (std::size_t i = 1; i < size; ++i) cuts.push_back(i);
    return cuts;
}

/// Feeds `input` whole, byte by byte, split at every point, and if it is short at every pair of points.
/// Returns what all of it came to, or throws with the first cuts that came to something else.
template <class Codec>
outcome grind(const Codec& codec, std::string_view input) {
    const outcome whole = decode_in_pieces(codec, input, {});
    const auto same = [&](const std::vector<std::size_t>& cuts) {
        for (const outcome& other :
             {decode_in_pieces(codec, input, cuts), decode_by_decoder(codec, input, cuts)}) {
            if (other == whole) continue;
            std::string text = "fed whole and cut at";
            for (const std::size_t cut : cuts) text += ' ' + std::to_string(cut);
            throw std::logic_error(text + " differ for " + printable(input));
        }
    };
    same({});
    same(every_cut(input.size()));
    for (std::size_t i = 1; i < input.size(); ++i) {
        same({i});
        if (input.size() > 40) continue;
        for (std::size_t j = i + 1; j < input.size(); ++j) same({i, j});
    }
    return whole;
}

/// What a codec makes of a payload; `refused` set when it does not take it. Written to memory of exactly the
/// bound.
struct encoded {
    bool refused = false;
    std::string bytes{};
};
template <class Codec>
encoded encode(const Codec& given, std::string_view payload) {
    Codec codec = given;
    const std::size_t bound = codec.encode_bound(payload);
    const std::unique_ptr<char[]> out(new char[bound]);
    const std::unique_ptr<char[]> in(new char[payload.size()]);
    std::copy(payload.begin(), payload.end(), in.get());
    const std::size_t size = codec.encode({in.get(), payload.size()}, out.get());
    if (size == portunus::unencodable) {
        demand(codec.encode_failure(payload) == errc::unencodable_payload, "a refusal has no reason");
        return {true, {}};
    }
    demand(size <= bound, "encode writes more than encode_bound");
    demand(!codec.encode_failure(payload).code().failed(),
           "a payload was taken, and there is a reason to refuse it");
    return {false, std::string(out.get(), size)};
}

/// The text of the failure that a constructor throws; empty when it throws none.
inline std::string refusal(const std::function<void()>& construct) {
    try {
        construct();
    } catch (const portunus::failure& f) {
        demand(f.reason() == errc::invalid_option, "a constructor throws something else than invalid_option");
        return std::string(f.reason().detail());
    }
    return {};
}

/// Random bytes out of a few, so that terminators and escapes are frequent. Always the same for the same
/// seed.
inline std::string random_bytes(std::mt19937& random, std::size_t most, std::string_view alphabet) {
    std::string bytes(random() % (most + 1), '\0');
    for (char& c : bytes) c = alphabet[random() % alphabet.size()];
    return bytes;
}
inline std::vector<std::size_t> random_cuts(std::mt19937& random, std::size_t size) {
    std::vector<std::size_t> cuts;
    for (std::size_t at = random() % 8; at < size; at += random() % 8) cuts.push_back(at);
    return cuts;
}

} // namespace framing_test

#endif
