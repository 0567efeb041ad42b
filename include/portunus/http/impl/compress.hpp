// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_COMPRESS_HPP
#define PORTUNUS_HTTP_IMPL_COMPRESS_HPP

#include <portunus/http/compress.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/content_coding.hpp>
#include <portunus/http/etag.hpp>
#include <portunus/http/list_elements.hpp>
#include <portunus/http/media_type.hpp>
#include <portunus/http/streaming.hpp>
#include <portunus/http/vary.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace portunus::http {
namespace detail {

/// Takes what a body's function writes, and passes it on compressed. It lives in the coroutine that runs that
/// function.
class gzip_sink final : public body_sink {
  public:
    gzip_sink(body_writer& to, gzip_options options) : to_(to), coding_(options) {}

    /// Runs the function behind the encoder. What it does not keep of its promise is thrown: the connection
    /// breaks.
    static awaitable<void> run(std::shared_ptr<stream_source> from, gzip_options options,
                               std::optional<std::uint64_t> length, body_writer& to) {
        gzip_sink sink(to, options);
        body_writer in(sink, false, length);
        co_await from->write(in);
        if (!in.complete()) {
            if (!to.client_is_there()) co_return; // which is nobody's fault
            throw failure(error(errc::partial_frame, "a streamed body has another length than it had said"));
        }
        sink.coding_.finish(sink.ready_);
        auto sent = co_await to.write(sink.ready_);
        (void)sent; // its own writer knows
    }

    awaitable<result<void>> write_body(body_writer& w, std::string_view bytes) override {
        return put(this, &w, bytes);
    }
    awaitable<result<void>> flush_body() override { return flush(this); }
    bool is_open() const noexcept override { return to_.client_is_there(); }

  private:
    static constexpr std::size_t piece = 64 * 1024, worth_sending = 16 * 1024;

    static awaitable<result<void>> put(gzip_sink* s, body_writer* w, std::string_view bytes) {
        if (w->failed_) co_return error(errc::closed_locally, "an earlier write of this body has failed");
        if (w->left_) {
            if (bytes.size() > *w->left_) {
                w->failed_ = true;
                co_return error(errc::invalid_option, "the body is longer than its length said, by " +
                                                          std::to_string(bytes.size() - *w->left_) +
                                                          " bytes");
            }
            *w->left_ -= bytes.size();
        }
        while (!bytes.empty()) {
            const std::string_view now = bytes.substr(0, piece);
            bytes.remove_prefix(now.size());
            s->coding_.write(now, s->ready_);
            if (s->ready_.size() < worth_sending) continue;
            auto sent = co_await s->to_.write(s->ready_);
            s->ready_.clear();
            if (sent) continue;
            w->failed_ = true;
            co_return sent;
        }
        co_return result<void>();
    }

    static awaitable<result<void>> flush(gzip_sink* s) {
        s->coding_.flush(s->ready_);
        auto sent = co_await s->to_.write(s->ready_);
        s->ready_.clear();
        if (!sent) co_return sent;
        auto flushed = co_await s->to_.flush();
        co_return flushed;
    }

    body_writer& to_;
    gzip_encoder coding_;
    std::string ready_;
};

/// The function of a body that goes through a `gzip_sink`.
struct gzip_body {
    std::shared_ptr<stream_source> from;
    gzip_options options;
    std::optional<std::uint64_t> length;

    awaitable<void> operator()(body_writer& to) const { return gzip_sink::run(from, options, length, to); }
};

/// Whether it is of a kind that is compressed for whoever wants it.
inline bool worth_compressing(const response& answer, std::size_t min_size) {
    if (!has_body(answer.code()) || answer.code() == status::partial_content) return false;
    const bool streamed = answer.source() != nullptr;
    if (streamed && dynamic_cast<const stream_source*>(answer.source()) == nullptr) return false;
    if (streamed ? answer.source_length().value_or(min_size) < min_size : answer.body().size() < min_size)
        return false;
    if (answer.find(field::content_encoding) || answer.find(field::content_range)) return false;
    const std::string_view type =
        answer.content_type().empty() ? answer.find(field::content_type).value_or("") : answer.content_type();
    if (!is_compressible(type)) return false;
    const auto caching = answer.find(field::cache_control);
    return !caching || !list_elements(*caching).contains("no-transform");
}

} // namespace detail

inline response compress(const request& asked, response answer, compress_options options) {
    if (!detail::worth_compressing(answer, options.min_size)) return answer;
    add_vary(answer, "Accept-Encoding");
    if (!content_codings(asked.head()).prefers_gzip()) return answer;

    const std::string type(answer.content_type());
    if (!type.empty()) answer.add(field::content_type, type); // the body that is put in has none of its own
    const gzip_options coding{.level = options.level};
    if (answer.source()) {
        const auto length = answer.source_length();
        std::shared_ptr<detail::body_source> source = answer.take_source();
        auto from = std::static_pointer_cast<detail::stream_source>(std::move(source));
        answer.source(
            std::make_unique<detail::stream_source>(detail::gzip_body{std::move(from), coding, length}),
            literal(), std::nullopt);
    } else {
        // Its memory is dear, and the next answer of this thread needs it again.
        thread_local int level = 0;
        thread_local std::optional<gzip_encoder> encoder;
        if (encoder && level == options.level)
            encoder->reset();
        else
            encoder.emplace(coding);
        level = options.level;
        std::string bytes;
        encoder->write(answer.body(), bytes);
        encoder->finish(bytes);
        answer.body(std::move(bytes), literal());
    }
    answer.add(field::content_encoding, "gzip").remove(field::accept_ranges);
    if (const auto tag = answer.find(field::etag)) {
        const auto read = entity_tag::parse(*tag);
        if (read && !read->weak) {
            const std::string weak = "W/" + std::string(*tag);
            answer.remove(field::etag).add(field::etag, weak);
        }
    }
    return answer;
}

} // namespace portunus::http

#endif
