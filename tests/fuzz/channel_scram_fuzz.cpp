// SPDX-License-Identifier: BSL-1.0
// Any text as each of SCRAM's messages, as stored credentials and as a JSON string: refused, or read to parts
// that are within their bounds and that give the same when they are written and read again.
#include <portunus/channel/detail/scram_text.hpp>
#include <portunus/channel/scram_credentials.hpp>

#include <cstdlib>
#include <string>
#include <string_view>

using namespace portunus;

namespace {

void need(bool holds) {
    if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);

    if (const auto m = detail::read_client_first(text)) {
        need(std::string(m->header).append(m->bare) == text);
        need(detail::is_scram_name(m->name) && detail::is_scram_nonce(m->nonce));
        need((m->binding_flag == 'p') == !m->binding_name.empty());
        std::string again(m->header);
        again.append("n=").append(detail::write_scram_name(m->name)).append(",r=").append(m->nonce);
        need(text.starts_with(again));
        const auto twice = detail::read_client_first(again);
        need(twice && twice->name == m->name && twice->nonce == m->nonce);
    } else {
        need(m.error() == errc::malformed_data && !m.error().detail().empty());
    }
    if (const auto m = detail::read_server_first(text)) {
        need(detail::is_scram_nonce(m->nonce) && !m->salt.empty() && m->salt.size() <= 1024);
        const std::string again = "r=" + std::string(m->nonce) + ",s=" + base64_encode(m->salt) +
                                  ",i=" + std::to_string(m->iterations);
        need(text.starts_with(again));
    }
    if (const auto m = detail::read_client_final(text)) {
        need(m->proof.size() == 32 && !m->binding.empty() && detail::is_scram_nonce(m->nonce));
        need(std::string(m->without_proof).append(",p=").append(base64_encode(m->proof)) == text);
    }
    if (const auto m = detail::read_server_final(text)) need(m->size() == 32);
    if (const auto stored = scram_credentials::parse(text)) {
        const auto again = scram_credentials::parse(stored->to_text().view());
        need(again && again->salt == stored->salt && again->iterations == stored->iterations);
        need(again->stored_key.view() == stored->stored_key.view());
    }
    if (const auto bytes = base64_decode(text)) need(base64_encode(*bytes) == text);

    const auto scalar = detail::read_json_scalar(text);
    if (scalar.kind == detail::json_kind::text) {
        const auto again = detail::read_json_scalar(detail::write_json_scalar(scalar));
        need(again.kind == detail::json_kind::text && again.text == scalar.text);
    }
    return 0;
}
