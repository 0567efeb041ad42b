// SPDX-License-Identifier: BSL-1.0
// Codecs that are exchanged after a frame each, on one stream: the frames are the same however the stream is
// cut.
#include <portunus/framing/any_codec.hpp>
#include <portunus/framing/frame_decoder.hpp>

#include "framing_fuzz_support.hpp"

#include <cstring>

using namespace framing_fuzz;
using namespace portunus;

namespace {

any_codec codec_number(unsigned which) {
    switch (which) {
    case 0:
        return line_codec(line_mode::any, {.max_frame = 50});
    case 1:
        return line_codec(line_mode::crlf, {.max_frame = 50});
    case 2:
        return line_codec(line_mode::crlf_strict, {.max_frame = 50, .keep_delimiter = true});
    case 3:
        return line_codec(line_mode::nul, {.max_frame = 50});
    case 4:
        return delimiter_codec("--", {.max_frame = 50});
    case 5:
        return fixed_codec(3);
    case 6:
        return packet_1(50);
    case 7:
        return xtension_packets(50);
    default:
        return stp(50);
    }
}

outcome run(const std::vector<unsigned>& order, std::string_view stream,
            const std::vector<std::size_t>& cuts) {
    frame_decoder<any_codec> decoder(codec_number(order[0]));
    outcome result;
    const auto drain = [&](bool ended) {
        for (;;) {
            const decode_step step = ended ? decoder.finish() : decoder.next();
            if (step.what == decode_step::kind::failed) result.end = decoder.failure().code();
            if (step.what != decode_step::kind::frame) return step.what != decode_step::kind::failed;
            result.frames.emplace_back(step.frame);
            decoder.exchange(codec_number(order[result.frames.size() % order.size()]));
        }
    };
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= cuts.size(); ++i) {
        const std::size_t end = i < cuts.size() ? cuts[i] : stream.size();
        const std::string_view piece = stream.substr(begin, end - begin);
        const auto room = decoder.prepare(piece.size());
        if (!piece.empty()) std::memcpy(room.data(), piece.data(), piece.size());
        decoder.commit(piece.size());
        begin = end;
        if (!drain(false)) return result;
    }
    if (!drain(true)) result.left = decoder.buffered();
    return result;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in(data, size);
    std::vector<unsigned> order(1 + in.number(6));
    for (unsigned& codec : order) codec = in.number(9);
    std::mt19937 random(in.number(256));
    const std::string_view stream = in.stream();
    const outcome whole = run(order, stream, {});
    const auto same = [&](const std::vector<std::size_t>& cuts) {
        outcome other = run(order, stream, cuts);
        if (whole.end != errc::partial_frame)
            other.left = whole.left; // how much was there when it failed depends
        demand(other == whole, "exchanged codecs find other frames in pieces than in the whole");
    };
    same(every_cut(stream.size()));
    for (int i = 0; i < 4; ++i) same(random_cuts(random, stream.size()));
    return 0;
}
