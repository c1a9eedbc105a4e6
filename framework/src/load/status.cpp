// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/status.hpp>
#include <load/text.hpp>

#include <cstring>
#include <utility>

namespace espalier {
namespace {

constexpr ErrorCode kCodes[] = {ErrorCode::unsupported, ErrorCode::capacity,   ErrorCode::transient,
                                ErrorCode::lost,        ErrorCode::permission, ErrorCode::invalid};

}  // namespace

Error error_from(espalier_status status, std::string words) {
  if (status >= ESPALIER_UNSUPPORTED && status <= ESPALIER_INVALID)
    return {kCodes[status - ESPALIER_UNSUPPORTED], std::move(words)};
  // Whoever answers outside of the ABI cannot be relied on for anything else either.
  return {ErrorCode::lost, fmt::format("{} (status {}, which is not one of the ABI: a bug in the "
                                       "plugin)",
                                       words, status)};
}

namespace load {

std::string Words::text() const {
  return printable({buffer_.data(), strnlen(buffer_.data(), buffer_.size())});
}

Error refused(espalier_status status, std::string_view what, const Words& words) {
  const std::string text = words.text();
  return error_from(status, fmt::format("cannot {}: {}", what,
                                        text.empty() ? "its plugin gave no reason" : text));
}

}  // namespace load
}  // namespace espalier
