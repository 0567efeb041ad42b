// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_ANSWER_IPP
#define PORTUNUS_HTTP_IMPL_CLIENT_ANSWER_IPP

#include <portunus/http/impl/client_answer.hpp>

#include <portunus/core/detail/config.hpp>

#include <algorithm>

namespace portunus::http::detail {

PORTUNUS_DECL result<client_answer::heard> client_answer::listen() {
    client_connection& c = *connection_;
    if (has_head_) return heard::answer;
    const head_step step = c.parser.feed(c.unread());
    if (step.what == head_step::kind::more) return heard::nothing;
    if (step.what == head_step::kind::refused) return c.parser.why().to_error();
    if (c.parser.head().interim()) {
        if (++interim_ > client_->options.max_interim)
            return error(errc::malformed_frame,
                         "more than " + std::to_string(client_->options.max_interim) + " interim answers");
        if (c.parser.head().status_code() == 100) may_send_ = true;
        c.begin += step.size;
        c.parser.reset();
        return heard::interim;
    }
    head_ = owned_head(c.parser.head(), c.unread().substr(0, step.size));
    has_head_ = true;
    c.begin += step.size;
    c.parser.reset();
    return heard::answer;
}

PORTUNUS_DECL std::uint64_t client_answer::most() const noexcept {
    const auto& o = client_->options;
    return request_.max_body_.value_or(collects_ ? o.max_body : o.max_streamed_body);
}

PORTUNUS_DECL error client_answer::too_large(std::uint64_t size) const {
    return error(errc::frame_too_large,
                 "a body of " + std::to_string(size) + " bytes or more exceeds " + std::to_string(most()));
}

PORTUNUS_DECL error client_answer::truncated() const {
    const std::string came = "the body ended after " + std::to_string(received_);
    return error(errc::partial_frame, body_ == body_end::length
                                          ? came + " of " + std::to_string(received_ + left_) + " bytes"
                                          : came + " bytes, before its last chunk");
}

PORTUNUS_DECL void client_answer::begin_body() {
    const response_head& h = head_.get();
    body_ = h.body(method_);
    done_ = body_ == body_end::none;
    left_ = body_ == body_end::length ? h.content_length().value_or(0) : 0;
    chunks_.reset();
    waited_ = {};
    part_ = 0;
    decoder_.reset();
    coded_ = {};
    plain_was_full_ = false;
    if (done_ || !decodes_ || h.status_code() == 206) return;
    // One coding is undone; what has several is for the caller, as its field still says.
    const auto coding = h.find(field::content_encoding);
    if (!coding) return;
    for (const content_coding_choice& choice : client_->options.codings)
        if (same_word(choice.name, *coding)) decoder_ = choice.make(most());
}

PORTUNUS_DECL bool client_answer::keeps() const noexcept {
    return connection_ && has_head_ && done_ && reusable_ && !cause_ && body_ != body_end::close &&
           head_.get().keep_alive() && head_.get().version() == http_version::v1_1 &&
           head_.get().status_code() != 101 && connection_->begin == connection_->end;
}

PORTUNUS_DECL bool client_answer::report() {
    if (!request_.progress_) return true;
    transfer_progress now;
    now.sent = sent_;
    now.to_send = !has_body_        ? std::optional<std::uint64_t>(0)
                  : request_.write_ ? request_.length_
                                    : std::optional<std::uint64_t>(request_.body_.size());
    now.received = received_;
    if (has_head_ && body_ == body_end::length) now.to_receive = received_ + left_;
    if (has_head_ && body_ == body_end::none) now.to_receive = 0;
    if (request_.progress_(now)) return true;
    cause_ = error(errc::canceled, "the progress function stopped the transfer");
    return false;
}

/// What has come already of the body; empty where more has to be read, or it is over.
PORTUNUS_DECL result<std::string_view> client_answer::at_hand() {
    if (done_) return std::string_view();
    client_connection& c = *connection_;
    std::string_view piece;
    switch (body_) {
    case body_end::none:
        done_ = true;
        break;
    case body_end::length:
        if (!decoder_ && received_ + left_ > most()) return too_large(received_ + left_);
        piece =
            c.unread().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, c.unread().size())));
        c.begin += piece.size();
        left_ -= piece.size();
        done_ = left_ == 0;
        break;
    case body_end::close:
        piece = c.unread();
        c.begin = c.end;
        break;
    case body_end::chunked: {
        const chunked_step step = chunks_.next(c.unread());
        c.begin += step.consumed;
        if (step.what == chunked_step::kind::refused) return chunks_.why().to_error();
        if (step.what == chunked_step::kind::end) done_ = true;
        if (step.what == chunked_step::kind::data) piece = step.data;
        if (!decoder_ && chunks_.decoded() + chunks_.announced() > most())
            return too_large(chunks_.decoded() + chunks_.announced());
        break;
    }
    }
    received_ += piece.size();
    part_ += piece.size();
    if (received_ > most()) return too_large(received_);
    if (!piece.empty() && !report()) return *cause_;
    return piece;
}

} // namespace portunus::http::detail

#endif
