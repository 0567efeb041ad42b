// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_GRIND_HPP
#define PORTUNUS_TESTING_GRIND_HPP

#include <portunus/testing/test_failure.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace portunus::testing {

/// How finely `grind` cuts.
struct grind_options {
    /// Inputs of up to so many bytes are cut at every pair of points, too: n * n / 2 calls.
    std::size_t pairs_up_to = 40;
};

namespace detail {

/// A piece in memory of exactly its size, so that AddressSanitizer finds each byte that is read beyond.
class exact_pieces {
  public:
    exact_pieces(std::string_view bytes, const std::vector<std::size_t>& cuts) {
        std::size_t begin = 0;
        for (std::size_t i = 0; i <= cuts.size(); ++i) {
            const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
            auto& block = blocks_.emplace_back(new char[end - begin]);
            if (end != begin) std::memcpy(block.get(), bytes.data() + begin, end - begin);
            views_.emplace_back(block.get(), end - begin);
            begin = end;
        }
    }
    std::span<const std::string_view> views() const noexcept { return views_; }

  private:
    std::vector<std::unique_ptr<char[]>> blocks_;
    std::vector<std::string_view> views_;
};

template <class Result>
std::string shown(const Result& result) {
    if constexpr (requires(std::ostream & out) { out << result; }) {
        std::ostringstream text;
        text << result;
        return text.str();
    } else {
        return "(something that has no operator<<)";
    }
}

inline std::string describe_cuts(const std::vector<std::size_t>& cuts, std::size_t size) {
    if (cuts.empty()) return "whole";
    if (cuts.size() > 2) return "byte by byte";
    std::string text = "cut at " + std::to_string(cuts[0]);
    if (cuts.size() == 2) text += " and " + std::to_string(cuts[1]);
    return text + " of " + std::to_string(size);
}

} // namespace detail

/// Feeds `bytes` in pieces: whole, byte by byte, cut at every point, and when they are few at every pair of
/// points. For everything that must not depend on how a stream's bytes arrive.
///
///     const std::vector<std::string> lines = grind("one\r\ntwo\r\n", [](std::span<const std::string_view>
///     pieces) {
///         std::vector<std::string> found;
///         for (std::string_view piece : pieces) ...
///         return found;
///     });
///
/// `feed` is called once for each way to cut, with the pieces in order, and starts from the beginning each
/// time. What it returns has to be the same every time (`==`); a difference is a `test_failure` with the cuts
/// and, where the results can be printed, both of them. Returns that result. With a `feed` that returns
/// nothing it only calls.
///
/// Each piece is in memory of its own size, so that AddressSanitizer sees each byte that is read beyond.
template <class Feed>
auto grind(std::string_view bytes, Feed feed, const grind_options& options = {}) {
    using result = std::decay_t<std::invoke_result_t<Feed&, std::span<const std::string_view>>>;
    const auto run = [&](const std::vector<std::size_t>& cuts) {
        const detail::exact_pieces cut(bytes, cuts);
        return feed(cut.views());
    };
    const auto every_way = [&](auto&& check) {
        std::vector<std::size_t> all;
        for (std::size_t i = 1; i < bytes.size(); ++i) all.push_back(i);
        if (all.size() > 2) check(all);
        for (std::size_t i = 1; i < bytes.size(); ++i) check({i});
        if (bytes.size() > options.pairs_up_to) return;
        for (std::size_t i = 1; i < bytes.size(); ++i)
            for (std::size_t j = i + 1; j < bytes.size(); ++j) check({i, j});
    };
    if constexpr (std::is_void_v<result>) {
        run({});
        every_way([&](const std::vector<std::size_t>& cuts) { run(cuts); });
    } else {
        result whole = run({});
        every_way([&](const std::vector<std::size_t>& cuts) {
            const result other = run(cuts);
            if (other == whole) return;
            throw test_failure(printable(bytes) + " gives " + detail::shown(whole) +
                               " when it comes whole, and " + detail::shown(other) + " when it comes " +
                               detail::describe_cuts(cuts, bytes.size()));
        });
        return whole;
    }
}

} // namespace portunus::testing

#endif
