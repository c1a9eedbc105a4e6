// SPDX-License-Identifier: Apache-2.0
//
// An SA of somebody else is deleted and put back elsewhere, so that neither a packet nor its owner
// nor our own end can come in between:
//
// - Its end and its new beginning are requests of one message, which the kernel carries out under
//   one lock (xfrm_cfg_mutex), and whole, even if we are killed: no time at which it is missing,
//   and none at which its owner could delete it in vain.
// - It begins closed (xfrm::SaNumbers): the last numbers of the old one are known only when it has
//   gone, and no packet passes before the new one has been given just these.
// - So does whatever we put in later: one that its owner has deleted while we did not look is
//   closed, and taken out again.
// - Where a device refuses it, the third request of that message makes it anew without one.
#pragma once

#include <espalier/result.hpp>

#include "adopt/ear.hpp"
#include "xfrm/sa_copy.hpp"
#include "xfrm/transport.hpp"

#include <optional>

namespace espalier::adopt {

struct Swapped {
  enum class End {
    moved,     // it is where it was asked for, and goes on with its own numbers
    refused,   // by the device, whose answer is `error`: it goes on in software
    too_late,  // it had carried something by then: it goes on in software, with those numbers
    gone,      // its owner had deleted it: it is gone
    closed,    // it is there, but it is not known with what numbers it may go on
    unknown,   // the kernel could not be talked to: it may be in any of these ways
    lost,      // the kernel did not take it back: it is missing
  };
  End end = End::unknown;
  std::optional<Error> error{};  // of all but moved, too_late and gone
};

// For an SA that has carried nothing when `copy` was made.
Swapped swap(xfrm::Transport& kernel, Ear& ear, const xfrm::SaCopy& copy,
             const xfrm::OffloadTo& offload);

}  // namespace espalier::adopt
