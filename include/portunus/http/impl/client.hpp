// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_HPP
#define PORTUNUS_HTTP_IMPL_CLIENT_HPP

#include <portunus/http/client.hpp>

#include <portunus/http/impl/client_exchange.hpp>

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/client.ipp>
#endif

#endif
