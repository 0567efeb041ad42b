// SPDX-License-Identifier: BSL-1.0
// Silence: bytes 0 and 1 are the times, then pairs of a pause and a count of bytes. Whoever looks at each
// deadline finds the frames that who never looks finds.
#include <portunus/framing/quiet_time_codec.hpp>

#include <portunus/framing/frame_decoder.hpp>

#include "framing_fuzz_support.hpp"

#include <chrono>

using namespace framing_fuzz;
using portunus::decode_step;
using portunus::frame_decoder;
using portunus::quiet_time_codec;

namespace {

struct listener {
    void receive(std::chrono::steady_clock::time_point now, std::size_t count, char what) {
        std::fill_n(decoder.prepare(count).data(), count, what);
        decoder.commit(count);
        decoder.received(now);
        fetch();
    }
    void fetch() {
        decode_step step;
        while ((step = decoder.next()).what == decode_step::kind::frame)
            result.frames.emplace_back(step.frame);
        if (step.what == decode_step::kind::failed) result.end = decoder.failure().code();
    }
    void end() {
        decode_step step;
        while ((step = decoder.finish()).what == decode_step::kind::frame)
            result.frames.emplace_back(step.frame);
    }
    frame_decoder<quiet_time_codec> decoder;
    outcome result{};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in(data, size);
    const std::chrono::milliseconds silence(1 + in.number(40));
    const std::chrono::milliseconds more(in.number(60));
    const quiet_time_codec codec(silence,
                                 {.max_frame = 60, .longest = more.count() == 0 ? more : silence + more});
    listener lazy{frame_decoder(codec)}, punctual{frame_decoder(codec)};
    std::chrono::steady_clock::time_point now(std::chrono::hours(1));
    for (unsigned piece = 0; piece < 60 && !lazy.result.end.failed(); ++piece) {
        now += std::chrono::milliseconds(in.number(64));
        const std::size_t count = 1 + in.number(16);
        const char what = static_cast<char>('a' + piece % 26);
        while (punctual.decoder.deadline() && *punctual.decoder.deadline() <= now) {
            punctual.decoder.expired(*punctual.decoder.deadline());
            punctual.fetch();
        }
        lazy.receive(now, count, what);
        punctual.receive(now, count, what);
    }
    if (!lazy.result.end.failed()) {
        lazy.end();
        punctual.end();
    }
    demand(lazy.result == punctual.result, "the frames depend on when somebody looked");
    return 0;
}
