// SPDX-License-Identifier: Apache-2.0
#include "esp/on_wire.hpp"

#include <fmt/format.h>

namespace espalier::esp {

Error spi_taken(const SaSpec& sa, const SaSpec& by, std::string_view name) {
  if (sa.direction == Direction::inbound) {
    return {ErrorCode::conflict,
            fmt::format("SPI {:#x} of SA '{}' is that of inbound SA '{}' already; choose another",
                        sa.spi, sa.name, name)};
  }
  return {
      ErrorCode::conflict,
      fmt::format("SPI {:#x} of SA '{}' is that of outbound SA '{}' to the same peer {} already, "
                  "which could not tell them apart; give each the SPI that the peer chose",
                  sa.spi, sa.name, name, to_string(by.peer))};
}

}  // namespace espalier::esp
