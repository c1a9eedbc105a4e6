// SPDX-License-Identifier: Apache-2.0
//
// SAs that others have made, as they can be put back: elsewhere, and else the same to the byte.
#pragma once

#include <espalier/result.hpp>

#include "xfrm/sa_numbers.hpp"
#include "xfrm/sa_request.hpp"
#include "xfrm/sa_state.hpp"

namespace espalier::xfrm {

// The numbers that an SA had when it was deleted, and what it had carried.
struct LastOf {
  SaNumbers numbers;
  SecretBuffer carried;  // xfrm_lifetime_cur
};
// Of a DELSA; nothing where it does not say both.
std::optional<LastOf> read_last(const Message& deleted);

// An SA of the kernel with its keys, which are wiped when it goes.
class SaCopy {
 public:
  // Of what the kernel says of an SA (NEWSA, UPDSA). An error is a clause on what of it could not
  // be put back as it was: an attribute that we do not know, ESN, keys that the kernel hides.
  static Result<SaCopy> of(const Message& told, Direction direction);

  const SaId& id() const noexcept { return id_; }
  const SaNumbers& numbers() const noexcept { return numbers_; }
  SecretBuffer carried() const;  // xfrm_lifetime_cur

  // The SA anew, closed (SaNumbers): nothing passes until it is opened. Refused where there is one
  // of its SPI already.
  Request add_closed(const OffloadTo& offload) const;

 private:
  SaCopy() = default;
  SaId id_;
  SaNumbers numbers_;
  Direction direction_ = Direction::outbound;
  SaNumbers::Way way_ = SaNumbers::Way::both;  // that the kernel knows
  SecretBuffer told_;
};

// Has a live SA go on from these numbers.
Request open_sa(const SaId& id, const LastOf& last);
// Has the kernel tell all IKE daemons that an SA has reached its soft limit. It stays as it is.
Request expire_softly(const SaState& sa);

}  // namespace espalier::xfrm
