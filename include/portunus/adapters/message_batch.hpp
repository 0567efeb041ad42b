// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_MESSAGE_BATCH_HPP
#define PORTUNUS_ADAPTERS_MESSAGE_BATCH_HPP

#include <portunus/framing/any_codec.hpp>
#include <portunus/framing/frame_decoder.hpp>
#include <portunus/framing/raw_codec.hpp>

#include <atomic>
#include <cstddef>
#include <iterator>
#include <string_view>

namespace portunus {

namespace detail {

/// What a plugin has of a connection's bytes, and who cuts them. Only the plugin's side touches the decoder.
struct message_source {
    frame_decoder<any_codec> decoder{any_codec(raw_codec())};
    std::atomic<bool> halted{false};             ///< this connection delivers nothing more for now
    const std::atomic<bool>* stopping = nullptr; ///< nor does any other one

    bool stands() const noexcept {
        return halted.load(std::memory_order_relaxed) || stopping->load(std::memory_order_relaxed);
    }
};

} // namespace detail

/// The complete messages of a connection that are there, in order, at least one: a single-pass range of
/// views. Messages are cut while the range is walked, so a change of the framing holds from the next message
/// on, and the walk ends where the plugin pauses or disconnects the connection, or stops. What is not visited
/// is delivered by a further event, but for the first one, which counts as delivered. The views are valid
/// until the event returns.
class message_batch {
  public:
    class iterator {
      public:
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        std::string_view operator*() const noexcept {
            return {batch_->first_, static_cast<std::size_t>(batch_->last_ - batch_->first_)};
        }
        iterator& operator++() {
            batch_->advance();
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const noexcept { return batch_->done_; }

      private:
        friend class message_batch;
        explicit iterator(message_batch& b) noexcept : batch_(&b) {}
        message_batch* batch_;
    };

    iterator begin() noexcept { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }

    /// For the host: a batch whose first message is cut already.
    message_batch(detail::message_source& of, std::string_view first) noexcept : source_(&of) { set(first); }
    message_batch(const message_batch&) = delete;
    message_batch& operator=(const message_batch&) = delete;

  private:
    void set(std::string_view frame) noexcept {
        first_ = frame.data();
        last_ = frame.data() + frame.size();
    }
    void advance() {
        done_ = source_->stands();
        if (done_) return;
        const decode_step step = source_->decoder.next();
        if (step.what == decode_step::kind::frame)
            set(step.frame);
        else
            done_ = true; // a failure that lies here is met by the host
    }

    detail::message_source* source_;
    const char* first_; // two pointers, as in frame_batch
    const char* last_;
    bool done_ = false;
};

} // namespace portunus

#endif
