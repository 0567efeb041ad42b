// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CONTENT_CODING_HPP
#define PORTUNUS_HTTP_CONTENT_CODING_HPP

#include <portunus/http/detail/parameters.hpp>
#include <portunus/http/head.hpp>
#include <portunus/http/list_elements.hpp>
#include <portunus/http/media_type.hpp>

#include <optional>
#include <string_view>

namespace portunus::http {

/// What a client takes, as the Accept-Encoding fields of its request say (RFC 9110 12.5.3).
///
/// | Accept-Encoding | gzip | identity | answer with gzip |
/// |---|---|---|---|
/// | absent | no | yes | no: who wants it says so |
/// | `gzip, br` | yes | yes | yes |
/// | `gzip;q=0.2, identity` | yes | yes | no: the client would rather have it plain |
/// | `*` | yes | yes | yes |
/// | `identity;q=0, gzip` | yes | no | yes |
/// | `*;q=0` | no | no | no; nothing that we have suits it |
/// | malformed, empty | no | yes | no |
class content_codings {
  public:
    explicit content_codings(const field_list& fields) noexcept {
        for (const std::string_view value : fields.all("Accept-Encoding")) read(value);
    }
    /// Of one value.
    explicit content_codings(std::string_view accept_encoding) noexcept { read(accept_encoding); }

    bool takes_gzip() const noexcept { return !malformed_ && (gzip_ >= 0 ? gzip_ > 0 : any_ > 0); }
    /// As it is, without a coding. It is taken unless it is ruled out.
    bool takes_identity() const noexcept {
        return malformed_ || (identity_ >= 0 ? identity_ > 0 : any_ != 0);
    }
    bool prefers_gzip() const noexcept {
        if (!takes_gzip()) return false;
        // The weight of an identity that is not named is not said: whoever names gzip means it.
        return identity_ < 0 || (gzip_ >= 0 ? gzip_ : any_) >= identity_;
    }

  private:
    void read(std::string_view value) noexcept {
        for (const std::string_view element : list_elements(value)) {
            const std::size_t semicolon = element.find(';');
            const std::string_view name = detail::trimmed(element.substr(0, semicolon));
            int weight = 1000;
            detail::parameter_reader parameters(
                semicolon == std::string_view::npos ? std::string_view() : element.substr(semicolon));
            while (parameters.next())
                if (detail::same_word(parameters.name, "q")) weight = detail::read_weight(parameters.raw);
            if (!detail::is_token(name) || parameters.malformed() || weight < 0) {
                malformed_ = true;
                return;
            }
            if (name == "*")
                any_ = weight;
            else if (detail::same_word(name, "gzip") || detail::same_word(name, "x-gzip"))
                gzip_ = weight;
            else if (detail::same_word(name, "identity"))
                identity_ = weight;
        }
    }

    int gzip_ = -1, identity_ = -1, any_ = -1; // thousandths; -1: not named
    bool malformed_ = false;
};

} // namespace portunus::http

#endif
