// SPDX-License-Identifier: BSL-1.0
// In-band commands: byte 0 is the limit of a piece of data, 1 that of a command, 2 the cuts, 3 the
// characters; then the stream.
#include <portunus/framing/inband_codec.hpp>

#include "../unit/framing/inband_support.hpp"
#include "framing_fuzz_support.hpp"

using namespace framing_fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in(data, size);
    portunus::inband_options options;
    options.max_frame = 1 + in.number(64);
    options.max_command = 1 + in.number(64);
    std::mt19937 random(in.number(256));
    if (in.number(2) == 1) {
        options.escape = '!';
        options.end = '\n';
    }
    const portunus::inband_codec codec(options);
    const std::string_view stream = in.stream();

    // The commands, and the data between them, are the same however the stream is cut, and are the model's.
    const outcome expected = inband_model(options, stream);
    const auto same = [&](const std::vector<std::size_t>& cuts) {
        demand(inband_outcome(codec, stream, cuts) == expected, "the codec differs from the model");
        outcome decoded = inband_outcome(codec, stream, cuts, true);
        demand(decoded == expected, "the decoder differs from the model");
    };
    same({});
    same(every_cut(stream.size()));
    for (int i = 0; i < 3; ++i) same(random_cuts(random, stream.size()));

    // What is sent as data is data, whole, and a command that is taken comes back behind it.
    std::string wire = encode(codec, stream).bytes;
    std::vector<std::string> sent;
    if (!stream.empty()) sent.push_back("d" + std::string(stream));
    const char tag = stream.empty() ? 'a' : stream.front();
    const std::string_view body = stream.substr(stream.size() / 2);
    const auto command = codec.command(tag, body);
    demand(command.has_value() == !codec.command_failure(tag, body).code().failed(),
           "a command is refused without a reason");
    if (command) {
        wire += *command;
        sent.push_back(std::string("c") + tag + std::string(body) + options.end);
    }
    demand(inband_outcome(codec, wire, random_cuts(random, wire.size())) == frames(sent),
           "what was sent does not come back");
    return 0;
}
