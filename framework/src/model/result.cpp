// SPDX-License-Identifier: Apache-2.0
#include <espalier/result.hpp>

namespace espalier {

const char* to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::capacity:
      return "capacity";
    case ErrorCode::transient:
      return "transient";
    case ErrorCode::lost:
      return "lost";
    case ErrorCode::permission:
      return "permission";
    case ErrorCode::invalid:
      return "invalid";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::conflict:
      return "conflict";
    case ErrorCode::io:
      return "io";
  }
  return "unknown";
}

}  // namespace espalier
