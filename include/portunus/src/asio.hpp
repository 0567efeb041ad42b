// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>: Boost.Asio, where its separate compilation is asked for as well.
#ifndef PORTUNUS_SRC_ASIO_HPP
#define PORTUNUS_SRC_ASIO_HPP

#ifdef BOOST_ASIO_SEPARATE_COMPILATION
#include <boost/asio/impl/src.hpp>
#endif

#endif
