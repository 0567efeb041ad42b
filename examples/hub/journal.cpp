// SPDX-License-Identifier: BSL-1.0
#include "journal.hpp"

namespace hub {

namespace {

std::uint64_t milliseconds_now() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

/// As it can be shown in JSON and on a page: what is no printable ASCII is a dot, as in a dump of bytes.
std::string printable(std::string_view bytes) {
    std::string text(bytes.substr(0, journal::longest));
    for (char& c : text)
        if (c < ' ' || c > '~') c = '.';
    if (bytes.size() > text.size()) text.append(" ...");
    return text;
}

} // namespace

void journal::write_down(std::string_view port, std::string_view peer, bool from_us, std::string_view text) {
    const auto now = std::chrono::steady_clock::now();
    std::uint64_t skipped = 0;
    {
        const std::lock_guard lock(mutex_);
        if (now - second_ >= std::chrono::seconds(1)) {
            second_ = now;
            told_ = 0;
            skipped = std::exchange(skipped_, 0);
        }
        if (told_ == most_a_second) {
            ++skipped_;
            return;
        }
        ++told_;
    }
    if (skipped) left_out_(skipped);
    tell_({std::string(port), std::string(peer), from_us, milliseconds_now(), printable(text)});
}

} // namespace hub
