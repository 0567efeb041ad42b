// SPDX-License-Identifier: BSL-1.0
// A directory for a test, gone with it.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_FILES_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_FILES_SUPPORT_HPP

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>

namespace portunus_tests {

class scratch_directory {
  public:
    scratch_directory() {
        std::string name = (std::filesystem::temp_directory_path() / "portunus-files-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string at(std::string_view name = "") const { return (path_ / name).string(); }

    /// Writes a file, with the directories above it; last changed in that second.
    void put(std::string_view name, std::string_view text, long changed = 784111777,
             long nanoseconds = 5) const {
        const auto file = path_ / name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
        const timespec times[2] = {{changed, nanoseconds}, {changed, nanoseconds}};
        ::utimensat(AT_FDCWD, file.c_str(), times, 0);
    }
    void link(std::string_view name, std::string_view to) const {
        std::filesystem::create_symlink(to, path_ / name);
    }
    void directory(std::string_view name) const { std::filesystem::create_directories(path_ / name); }

  private:
    std::filesystem::path path_;
};

} // namespace portunus_tests

#endif
