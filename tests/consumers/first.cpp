// SPDX-License-Identifier: BSL-1.0
// A program of somebody else: what it includes and links is what a user has. Two source files, because a
// function that a header forgot to make inline is an error of the linker, and only with two of them.
#include <portunus/portunus.hpp>

#include <cstdio>

portunus::error from_the_other_file();
const void* version_in_the_other_file();

int main() {
    const portunus::error failed = from_the_other_file();
    if (failed != portunus::condition::closed) return 1;
    // An inline variable is one object in the whole program.
    if (version_in_the_other_file() != static_cast<const void*>(&portunus::version)) return 1;
    if (PORTUNUS_VERSION !=
        portunus::version.major * 10000 + portunus::version.minor * 100 + portunus::version.patch)
        return 1;
    std::printf("portunus %.*s: %s\n", static_cast<int>(portunus::version_text.size()),
                portunus::version_text.data(), failed.message().c_str());
}
