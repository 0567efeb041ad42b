// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_SERVER_BODY_HPP
#define PORTUNUS_HTTP_DETAIL_SERVER_BODY_HPP

/// \file
/// The part of `detail::session` that moves bodies: those of requests, as they come, and those of answers
/// that are written while they are sent. The class is declared
/// in server_session.hpp.

#include <portunus/http/detail/server_session.hpp>

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/detail/impl/server_body.ipp>
#endif

#endif
