// SPDX-License-Identifier: Apache-2.0
#include "gateway/sa_refusals.hpp"

#include <fmt/format.h>

namespace espalier {

Error name_taken(std::string_view sa) {
  return {ErrorCode::conflict,
          fmt::format("there is an SA named '{}' already; delete it first, or rekey it", sa)};
}

Error no_such_sa(std::string_view sa) {
  return {ErrorCode::not_found,
          fmt::format("there is no SA named '{}'; 'espalier sa list' shows what there is", sa)};
}

Error keys_have_served(const SaSpec& sa) {
  return {ErrorCode::conflict,
          fmt::format("the keys of SA '{}' have served an SA of this gateway before; with {} no "
                      "number may be used twice under one key, so give it fresh ones",
                      sa.name, to_string(sa.transform))};
}

Result<void> check_successor(const SaSpec& old, std::string_view old_name, const SaSpec& sa,
                             bool taken) {
  if (sa.direction != old.direction)
    return fail(ErrorCode::invalid, fmt::format("SA '{}' is {}; its successor must be, too",
                                                old_name, to_string(old.direction)));
  if (sa.spi == old.spi)
    return fail(ErrorCode::conflict,
                fmt::format("the new SPI {:#x} is that of SA '{}' itself; a rekey needs a new SPI",
                            sa.spi, old_name));
  if (taken)
    return fail(ErrorCode::conflict, fmt::format("there is an SA named '{}' already", sa.name));
  return {};
}

}  // namespace espalier
