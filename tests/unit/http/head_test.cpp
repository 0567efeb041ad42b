// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/head.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus::http;

namespace {

/// A list of fields out of text, as a parser would leave it.
struct sample {
    explicit sample(const std::vector<std::pair<std::string, std::string>>& fields) {
        for (const auto& [name, value] : fields) {
            const auto at = [this] { return static_cast<std::uint32_t>(text.size()); };
            const auto size = [](const std::string& s) { return static_cast<std::uint32_t>(s.size()); };
            field_slot slot{at(), size(name), 0, size(value)};
            text += name + ": ";
            slot.value = at();
            text += value;
            slots.push_back(slot);
        }
    }
    field_list list() const { return {text.data(), slots.data(), slots.size()}; }

    std::string text;
    std::vector<field_slot> slots;
};

} // namespace

TEST_CASE("fields are found by name, whatever the case, the first one first") {
    const sample s({{"Accept", "a"}, {"X", "1"}, {"ACCEPT", "b"}, {"x", "2, 3"}});
    const field_list list = s.list();
    CHECK(list.size() == 4);
    CHECK(list.find("accept") == std::string_view("a"));
    CHECK(list.find(field::accept) == std::string_view("a"));
    CHECK_FALSE(list.find("accep"));
    CHECK(list.contains("x"));
    CHECK_FALSE(list.contains(field::host));
    CHECK_FALSE(list.find("")); // no field has that name

    std::string all;
    for (const std::string_view value : list.all("X")) all.append("[").append(value).append("]");
    CHECK(all == "[1][2, 3]");
    CHECK(list.all("y").begin() == list.all("y").end());
    CHECK(list.has_element("X", "3"));
    CHECK(list.has_element("X", "1"));
    CHECK_FALSE(list.has_element("X", "4"));
    CHECK_FALSE(list.has_element(field::connection, "close"));

    std::string names;
    for (const field_view f : list) names += std::string(f.name) + "=" + std::string(f.value) + " ";
    CHECK(names == "Accept=a X=1 ACCEPT=b x=2, 3 ");
}

TEST_CASE("a list without fields is empty") {
    const field_list none;
    CHECK(none.empty());
    CHECK(none.begin() == none.end());
    CHECK_FALSE(none.find("a"));
}
