// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_COMPRESS_HPP
#define PORTUNUS_HTTP_COMPRESS_HPP

#include <portunus/http/gzip.hpp>
#include <portunus/http/middleware.hpp>

#include <cstddef>
#include <utility>

/// \file
/// Answers with gzip. Needs zlib: link `portunus::gzip`. `portunus.hpp` does not bring it.

namespace portunus::http {

struct compress_options {
    /// Bytes: shorter bodies fit into one packet anyway. Streams without a length count as long.
    std::size_t min_size{860};
    int level{6}; ///< 1 (fast) to 9 (small)
};

/// The same answer, with its body in gzip where that is wanted and worth it: the client would rather have it
/// so (`content_codings`), the status is 200 or another with a body that is no part (206), the media type is
/// one that `is_compressible`, there is no Content-Encoding yet, and Cache-Control does not say
/// `no-transform`.
///
/// Adds Content-Encoding and, for every answer that some client would get compressed,
/// `Vary: Accept-Encoding`. A strong ETag becomes a weak one, as the bytes are others; Accept-Ranges goes.
///
/// A body in memory is compressed at once, on the connection's context: some 20 ms for each MiB. A streamed
/// one goes through the encoder piece by piece (16 KiB of memory and 256 of zlib's a stream), and each
/// `body_writer::flush` flushes the encoder, too, so that a client sees what was written; its length is not
/// known any more, and it goes out in chunks.
///
/// Beware (the BREACH attack): over TLS, the length of a compressed page tells about its contents. A page
/// that holds a secret (a token against forgery, say) and repeats what the request says, in its query for
/// instance, gives the secret away to whoever can make a browser ask again and again and sees the lengths.
/// Leave such pages out, or mask the secret anew in each answer.
response compress(const request& asked, response answer, compress_options options = {});

/// `compress` around handlers: `server_options::around`, or `wrap`.
inline middleware compressing(compress_options options = {}) {
    const gzip_encoder checked({.level = options.level});
    middleware m;
    m.after = [options](const request& r, response& answer) {
        answer = compress(r, std::move(answer), options);
    };
    return m;
}

} // namespace portunus::http

#include <portunus/http/impl/compress.hpp>

#endif
