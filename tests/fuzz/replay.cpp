// SPDX-License-Identifier: BSL-1.0
// Runs a fuzz target without a fuzzer: every file of the corpus, then inputs that are mutations of them. The
// generator has a fixed seed, so two runs do the same and a failure can be repeated.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using input = std::vector<std::uint8_t>;

std::vector<input> corpus_of(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    if (std::filesystem::is_directory(directory))
        for (const auto& entry : std::filesystem::directory_iterator(directory))
            if (entry.is_regular_file()) files.push_back(entry.path());
    std::sort(files.begin(), files.end()); // the order in a directory differs between file systems
    std::vector<input> inputs{input{}};
    for (const auto& file : files) {
        std::ifstream stream(file, std::ios::binary);
        inputs.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    return inputs;
}

void mutate(input& bytes, std::mt19937& random) {
    const auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
    // Bytes that mean something to a protocol are tried more often than chance would have it.
    static constexpr std::uint8_t telling[] = {0,   1,    0x7f, 0x80, 0xff, '\r', '\n',
                                               '"', '\\', '0',  '9',  '{',  '}'};
    switch (random() % 4) {
    case 0:
        if (!bytes.empty()) bytes[below(bytes.size())] ^= static_cast<std::uint8_t>(1u << (random() % 8));
        break;
    case 1:
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)),
                     telling[below(std::size(telling))]);
        break;
    case 2:
        if (!bytes.empty()) bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size())));
        break;
    case 3: {
        const std::size_t count = below(16);
        for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(random()));
        break;
    }
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<input> inputs = corpus_of(argc > 1 ? argv[1] : "");
    for (const input& bytes : inputs) LLVMFuzzerTestOneInput(bytes.data(), bytes.size());

    constexpr int rounds = 5000;
    std::mt19937 random(20240229);
    for (int i = 0; i < rounds; ++i) {
        input bytes = inputs[random() % inputs.size()];
        for (auto steps = 1 + random() % 8; steps > 0; --steps) mutate(bytes, random);
        // A copy of exactly this size: a vector's spare capacity would hide a read past the end.
        const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
        LLVMFuzzerTestOneInput(exact.data(), exact.size());
    }
    std::printf("%zu inputs of the corpus and %d made from them\n", inputs.size(), rounds);
}
