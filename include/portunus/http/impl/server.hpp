// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_SERVER_HPP
#define PORTUNUS_HTTP_IMPL_SERVER_HPP

#include <portunus/http/server.hpp>

#include <portunus/http/detail/server_body.hpp>
#include <portunus/http/detail/server_session.hpp>

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/server.ipp>
#endif

#endif
