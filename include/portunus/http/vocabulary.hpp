// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_VOCABULARY_HPP
#define PORTUNUS_HTTP_VOCABULARY_HPP

#include <boost/beast/http/field.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/verb.hpp>

#include <string_view>

/// \file
/// The words of HTTP are Boost.Beast's: methods, status codes and the names of fields. Nothing else of Beast
/// comes in here, and no I/O.

namespace portunus::http {

using boost::beast::http::field;
using boost::beast::http::status;
using boost::beast::http::verb;

/// "GET"; "<unknown>" for `verb::unknown`, whose text stands in the head.
inline std::string_view text_of(verb v) {
    const auto text = boost::beast::http::to_string(v);
    return {text.data(), text.size()};
}
/// "Content-Length"; "<unknown-field>" for `field::unknown`.
inline std::string_view text_of(field f) {
    const auto text = boost::beast::http::to_string(f);
    return {text.data(), text.size()};
}
/// The reason phrase: "Not Found". Numbers that nobody has registered give "<unknown-status>".
inline std::string_view text_of(status s) {
    const auto text = boost::beast::http::obsolete_reason(s);
    return {text.data(), text.size()};
}

} // namespace portunus::http

#endif
