// SPDX-License-Identifier: BSL-1.0
#include <portunus/portunus.hpp>

portunus::error from_the_other_file() {
    return portunus::error(portunus::errc::end_of_stream);
}

const void* version_in_the_other_file() {
    return &portunus::version;
}
