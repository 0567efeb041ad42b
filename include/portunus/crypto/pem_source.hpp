// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_PEM_SOURCE_HPP
#define PORTUNUS_CRYPTO_PEM_SOURCE_HPP

#include <portunus/crypto/secret.hpp>

#include <memory>
#include <string>
#include <utility>

namespace portunus {

/// Where PEM text (RFC 7468) comes from: a file, which is read when a context is made or reloaded, or the
/// text itself. A file has at most 1 MiB. A value; copies share the text, which is wiped from memory with the
/// last of them.
class pem_source {
  public:
    /// None.
    pem_source() = default;

    static pem_source file(std::string path) {
        pem_source source;
        source.name_ = std::move(path);
        return source;
    }
    /// `name` stands for it in the texts of errors; the text itself never does.
    static pem_source text(std::string pem, std::string name = "the PEM text") {
        pem_source source;
        source.name_ = std::move(name);
        source.text_ = std::make_shared<const secret_text>(std::move(pem));
        return source;
    }

    bool empty() const noexcept { return name_.empty() && !text_; }
    bool is_file() const noexcept { return !text_; }
    /// The path, or the name that was given to the text.
    const std::string& name() const noexcept { return name_; }
    /// The text; none where it is a file.
    const std::shared_ptr<const secret_text>& content() const noexcept { return text_; }

  private:
    std::string name_;
    std::shared_ptr<const secret_text> text_;
};

} // namespace portunus

#endif
