// SPDX-License-Identifier: Apache-2.0
//
// SAs as the kernel is asked for them. Pure: values in, messages out.
#pragma once

#include <espalier/recipe.hpp>
#include <espalier/sa.hpp>
#include <espalier/secret.hpp>

#include <linux/xfrm.h>

#include "xfrm/message.hpp"

namespace espalier::xfrm {

// By what the kernel knows an ESP SA.
struct SaId {
  IpAddress destination;
  std::uint32_t spi = 0;

  friend auto operator<=>(const SaId&, const SaId&) = default;
};

SaId id_of(const SaSpec& sa);
std::string to_string(const SaId& id);  // "SPI 0x1000 to 192.0.2.1"

// Where an SA shall be offloaded to.
struct OffloadTo {
  Offload offload = Offload::none;
  int interface = 0;  // index
};

// A new SA, with its keys, of policies that ask for `reqid`. An error says what of the SA the
// kernel has no words for.
Result<Request> add_sa(const SaSpec& sa, const SaKeys& keys, std::uint32_t reqid,
                       const OffloadTo& offload);
Request delete_sa(const SaId& id);
Request get_sa(const SaId& id);
Request dump_sas();

// Parts of other requests about SAs.
void put_offload(Request& request, Direction direction, const OffloadTo& to);
xfrm_usersa_id kernel_id(const SaId& id);

}  // namespace espalier::xfrm
