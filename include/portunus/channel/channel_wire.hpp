// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_WIRE_HPP
#define PORTUNUS_CHANNEL_CHANNEL_WIRE_HPP

#include <portunus/channel/message_codec.hpp>
#include <portunus/framing/codec.hpp>
#include <portunus/framing/frame_decoder.hpp>
#include <portunus/net/framed_stream.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {
namespace detail {

/// Who gets the messages that a wire finds.
class message_sink {
  public:
    /// Whether the next message may be taken out of the buffer.
    virtual bool wants_more() const noexcept = 0;
    virtual void take(const message_view& m) = 0;
    /// A frame that is no message; `numbers` where they could be read all the same.
    virtual void damaged(const error& why, const result<message_view>& numbers) = 0;

  protected:
    ~message_sink() = default;
};

/// The bytes of a connection as messages, both ways: what differs from one framing and encoding to another.
/// One a connection.
class channel_wire {
  public:
    virtual ~channel_wire() = default;

    virtual std::span<char> prepare() = 0;
    virtual void commit(std::size_t n) noexcept = 0;
    /// Gives every complete message that is there to `sink`. An error is final.
    virtual result<void> pump(message_sink& sink) = 0;
    /// Bytes that have come and are no message yet.
    virtual std::size_t unread() const noexcept = 0;
    virtual std::string_view name() const noexcept = 0;

    /// Appends a message to `out`, or nothing and says why.
    virtual result<void> put(output_queue& out, const message_view& m) = 0;
    /// Begins a message whose data the caller appends to what is returned; ends it.
    virtual std::string& open(const message_view& head) = 0;
    virtual result<void> finish(output_queue& out) = 0;
    /// The data that was appended since `open`, when it is not to be sent that way.
    virtual std::string_view opened_data() const noexcept = 0;
};

template <frame_codec F, message_codec M>
class channel_wire_of final : public channel_wire {
  public:
    explicit channel_wire_of(F framing, M encoding = M())
        : in_(std::move(framing)), encoding_(std::move(encoding)) {}

    std::span<char> prepare() override { return in_.prepare(1); }
    void commit(std::size_t n) noexcept override { in_.commit(n); }
    std::size_t unread() const noexcept override { return in_.buffered().size(); }
    std::string_view name() const noexcept override { return M::name; }

    result<void> pump(message_sink& sink) override {
        while (sink.wants_more()) {
            const decode_step step = in_.next();
            if (step.what == decode_step::kind::more) break;
            if (step.what == decode_step::kind::failed) return in_.failure();
            const auto m = encoding_.decode(step.frame);
            if (m) [[likely]]
                sink.take(*m);
            else
                sink.damaged(m.error(), encoding_.salvage(step.frame));
        }
        return {};
    }

    result<void> put(output_queue& out, const message_view& m) override {
        plain_.clear();
        encoding_.encode(plain_, m);
        return frame(out, plain_);
    }
    std::string& open(const message_view& head) override {
        opened_.clear();
        start_ = encoding_.begin(opened_, head);
        data_at_ = opened_.size();
        return opened_;
    }
    result<void> finish(output_queue& out) override {
        encoding_.finish(opened_, start_);
        return frame(out, opened_);
    }
    std::string_view opened_data() const noexcept override {
        return std::string_view(opened_).substr(data_at_);
    }

  private:
    result<void> frame(output_queue& out, std::string_view payload) {
        const F& codec = in_.codec();
        const std::size_t bound = codec.encode_bound(payload);
        if (bound == 0) return codec.encode_failure(payload);
        const std::size_t n = in_.codec().encode(payload, out.prepare(bound));
        if (n == unencodable) return codec.encode_failure(payload);
        out.commit(n);
        return {};
    }

    frame_decoder<F> in_;
    M encoding_;
    std::string plain_;
    std::string opened_; // apart, as a handler may send something while it writes its answer
    std::size_t start_ = 0;
    std::size_t data_at_ = 0;
};

} // namespace detail

/// For `channel_options::wire`: any framing with any encoding. `options.wire = channel_wire_of(my_framing(),
/// my_encoding());`
template <frame_codec F, message_codec M>
auto channel_wire_of(F framing, M encoding) {
    return [framing = std::move(framing), encoding = std::move(encoding)]() {
        return std::unique_ptr<detail::channel_wire>(
            std::make_unique<detail::channel_wire_of<F, M>>(framing, encoding));
    };
}

} // namespace portunus

#endif
