// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_RESULT_HPP
#define PORTUNUS_CORE_RESULT_HPP

#include <portunus/core/error.hpp>

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

namespace portunus {

/// What every operation returns: a value or an `error`.
///
/// `if (auto r = co_await ...)`, `r.value()` (throws `failure`), `*r` only after a check, `r.error()`. The
/// error of a successful result is an empty one.
template <class T>
using result = boost::system::result<T, error>;

/// Found by `result::value()`: turns the error into the exception form.
[[noreturn]] inline void throw_exception_from_error(const error& e, const boost::source_location&) {
    throw failure(e);
}

} // namespace portunus

#endif
