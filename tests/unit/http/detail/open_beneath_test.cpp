// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/detail/open_beneath.hpp>

#include "support/catch.hpp"
#include "unit/http/files_support.hpp"
#include "unit/net/net_support.hpp"

#include <string>

#include <sys/stat.h>

using namespace portunus_tests;
using portunus::http::detail::beneath;
using portunus::http::detail::file_descriptor;
using portunus::http::detail::open_beneath;

namespace {

std::string text_of(const file_descriptor& fd) {
    if (!fd) return "(none)";
    char room[100];
    const auto n = ::read(fd.get(), room, sizeof room);
    return n < 0 ? "(unreadable)" : std::string(room, static_cast<std::size_t>(n));
}

} // namespace

TEST_CASE("what is beneath the root is opened, and nothing else, whichever way is taken") {
    const scratch_directory all;
    all.put("secret", "secret");
    all.put("root/a", "a");
    all.put("root/one/two/b", "b");
    all.link("root/out", "../secret");
    all.link("root/up", "..");
    all.link("root/absolute", all.at("secret"));
    all.link("root/absolute_inside", all.at("root/a"));
    all.link("root/inside", "one/two/b");
    all.link("root/directory_inside", "one");
    all.link("root/one/round", "../one/../one/two/b");
    all.link("root/loop", "loop");
    all.link("root/proc", "/proc/self/cwd");
    const file_descriptor root(::open(all.at("root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(root);
    const auto how = GENERATE(beneath::kernel, beneath::kernel_no_symlinks, beneath::walk);
    if (how != beneath::walk && !open_beneath(root.get(), ".", how)) {
        WARN("skipped: this kernel has no openat2, or forbids it");
        return;
    }
    const auto read = [&](const std::string& path) { return text_of(open_beneath(root.get(), path, how)); };
    const std::size_t before = open_descriptors();
    CHECK(read("a") == "a");
    CHECK(read("one/two/b") == "b");
    CHECK(read("one") == "(unreadable)"); // the directory itself
    for (const char* path : {"out", "up/secret", "absolute", "absolute_inside", "loop", "proc/x", "nothing",
                             "a/b", "one/nothing/b", "up/root/a"})
        CHECK(read(path) == "(none)");
    const bool follows = how == beneath::kernel;
    CHECK(read("inside") == (follows ? "b" : "(none)"));
    CHECK(read("directory_inside/two/b") == (follows ? "b" : "(none)"));
    CHECK(read("one/round") == (follows ? "b" : "(none)"));
    // A FIFO that nobody writes to does not hold us up.
    REQUIRE(::mkfifo(all.at("root/fifo").c_str(), 0600) == 0);
    CHECK(open_beneath(root.get(), "fifo", how));
    CHECK(open_descriptors() == before);
}
