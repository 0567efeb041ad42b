// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_SECRET_HPP
#define PORTUNUS_CRYPTO_SECRET_HPP

#include <array>
#include <cstddef>
#include <cstring>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

/// Overwrites bytes, also where the compiler sees that nobody reads them any more.
inline void wipe(void* bytes, std::size_t size) noexcept {
    volatile unsigned char* const at = static_cast<unsigned char*>(bytes);
    for (std::size_t i = 0; i < size; ++i) at[i] = 0;
}

/// A secret as text: a password, a shared key, a PEM key. Overwritten before its memory is given back; not
/// printable; copied only where the program says `copy()`.
///
///     secret_text secret(std::move(line));                 // `line` is overwritten
///     auto shared = std::make_shared<const secret_text>(secret.copy());
///
/// Moving hands the memory on, so no second copy stays behind. What cannot be wiped is what others have
/// copied before: the buffer of a file, an argument of the program, a page that was swapped out.
class secret_text {
  public:
    /// None.
    secret_text() noexcept = default;

    /// Takes the text of a string, and overwrites the string.
    explicit secret_text(std::string&& text) : secret_text(std::string_view(text)) {
        text.resize(text.capacity());
        wipe(text.data(), text.size());
        text.clear();
    }
    /// Copies; the original is the caller's to wipe.
    explicit secret_text(std::string_view text)
        : bytes_(text.empty() ? nullptr : new char[text.size()]), size_(text.size()) {
        if (size_ != 0) std::memcpy(bytes_.get(), text.data(), size_);
    }
    explicit secret_text(const char* text) : secret_text(std::string_view(text)) {}

    secret_text(secret_text&& other) noexcept
        : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
    secret_text& operator=(secret_text&& other) noexcept {
        if (this != &other) {
            clear();
            bytes_ = std::move(other.bytes_);
            size_ = std::exchange(other.size_, 0);
        }
        return *this;
    }
    ~secret_text() { clear(); }

    secret_text copy() const { return secret_text(view()); }

    std::string_view view() const noexcept { return {bytes_.get(), size_}; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    /// Overwrites it now.
    void clear() noexcept {
        if (bytes_) wipe(bytes_.get(), size_);
        bytes_.reset();
        size_ = 0;
    }

    friend std::ostream& operator<<(std::ostream&, const secret_text&) = delete;

  private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_ = 0;
};

/// A secret of a size that is known: a key. Moved by copying and wiping.
template <std::size_t Size>
class secret_bytes {
  public:
    using array = std::array<unsigned char, Size>;

    /// All zero.
    secret_bytes() noexcept = default;
    /// Copies; the original is the caller's to wipe.
    explicit secret_bytes(const array& bytes) noexcept : bytes_(bytes) {}

    secret_bytes(secret_bytes&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
    secret_bytes& operator=(secret_bytes&& other) noexcept {
        if (this != &other) {
            bytes_ = other.bytes_;
            other.clear();
        }
        return *this;
    }
    ~secret_bytes() { clear(); }

    secret_bytes copy() const noexcept { return secret_bytes(bytes_); }

    array& bytes() noexcept { return bytes_; }
    const array& bytes() const noexcept { return bytes_; }
    std::string_view view() const noexcept { return {reinterpret_cast<const char*>(bytes_.data()), Size}; }

    void clear() noexcept { wipe(bytes_.data(), Size); }

    friend std::ostream& operator<<(std::ostream&, const secret_bytes&) = delete;

  private:
    array bytes_{};
};

} // namespace portunus

#endif
