// SPDX-License-Identifier: Apache-2.0
#include "xfrm/refusal.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace espalier::xfrm {

std::string words_of(const Answer& answer) {
  const std::string system = std::generic_category().message(answer.error);
  return answer.words.empty() ? system : fmt::format("{} ({})", answer.words, system);
}

ErrorCode code_of(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return ErrorCode::permission;
    case EEXIST:
      return ErrorCode::conflict;
    case ESRCH:
    case ENOENT:
      return ErrorCode::not_found;
    default:
      return ErrorCode::io;
  }
}

ErrorCode refusal_code(int error, bool offloaded) {
  switch (error) {
    case EINVAL:
    case ERANGE:
      return offloaded ? ErrorCode::unsupported : ErrorCode::invalid;
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case ENOSYS:
    case ENOENT:
      return ErrorCode::unsupported;
    case ENOSPC:
      return ErrorCode::capacity;
    case EBUSY:
    case EAGAIN:
    case EINTR:
    case ENOMEM:
    case ENOBUFS:
      return ErrorCode::transient;
    case ENODEV:
    case ENETDOWN:
    case ENXIO:
      return offloaded ? ErrorCode::lost : ErrorCode::unsupported;
    case EPERM:
    case EACCES:
      return ErrorCode::permission;
    case EEXIST:
      return ErrorCode::conflict;
    default:
      return ErrorCode::io;
  }
}

}  // namespace espalier::xfrm
