// SPDX-License-Identifier: BSL-1.0
// Any text as a URL, a reference, a path, a form, and the values of fields that are read by themselves: what
// is accepted keeps its promises, and what is written is read back.
#include <portunus/http/date.hpp>
#include <portunus/http/etag.hpp>
#include <portunus/http/form.hpp>
#include <portunus/http/media_type.hpp>
#include <portunus/http/range.hpp>
#include <portunus/http/router.hpp>
#include <portunus/http/url.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace http = portunus::http;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

const http::router<int>& routes() {
    static const http::router<int> all = [] {
        http::router<int> r;
        r.add(http::verb::get, "/a/{x}/b", 1).add(http::verb::get, "/a/*", 2).add(http::verb::put, "/{y}", 3);
        return r;
    }();
    return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);

    if (const auto url = http::parse_url(text, {.allow_userinfo = size % 2 == 0})) {
        require(!url->host.empty() && url->path.starts_with('/') && url->effective_port() != 0);
        require(url->target().find_first_of(" \r\n#") == std::string::npos);
        const auto same = http::resolve_url(*url, "#x");
        require(!same || http::parse_url(*same).has_value());
    }
    static const http::url_view base = http::parse_url("http://h/a/b?c").value();
    if (const auto resolved = http::resolve_url(base, text)) require(http::parse_url(*resolved).has_value());

    if (const auto path = http::normalise_path(text)) {
        require(path->starts_with('/') && path->find('\0') == std::string::npos);
        require((*path + "/").find("/../") == std::string::npos &&
                (*path + "/").find("/./") == std::string::npos);
        require(path->find("//") == std::string::npos);
    }
    const http::route_match m = routes().match(http::verb::get, text);
    if (m.what == http::route_match::kind::found) {
        require(text.starts_with('/') && http::percent_decode(text).has_value());
        require((std::string(m.rest) + "/").find("../") == std::string::npos || m.rest.find("..") != 0);
        (void)m["x"];
    }

    require(http::percent_decode(http::percent_encode(text), {.allow_nul = true}).value() == text);
    if (const auto form = http::form_fields::parse(text)) {
        const http::url_parameters fields(form->begin(), form->end());
        const auto again = http::form_fields::parse(http::encode_form(fields));
        require(again.has_value() && again->size() <= fields.size());
    }

    const http::range_request range(text, 1000);
    for (const http::byte_range& r : range.ranges()) require(r.size != 0 && r.first + r.size <= 1000);
    const http::http_time now{};
    if (const auto time = http::parse_http_date(text, now))
        require(http::parse_http_date(http::http_date(*time).text(), now) == *time);
    if (const auto type = http::media_type::parse(text)) (void)type->parameter("boundary");
    (void)http::accepts_encoding(text, "gzip");
    (void)http::if_none_match_hits(text, *http::entity_tag::parse("\"a\""));
    return 0;
}
