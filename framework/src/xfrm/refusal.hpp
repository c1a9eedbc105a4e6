// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <string>

#include "xfrm/transport.hpp"

namespace espalier::xfrm {

// What an answer says, for a person: the kernel's own words where it has some, and the error's.
std::string words_of(const Answer& answer);

// The class of an error that is no answer to an SA: reading, deleting, policies.
ErrorCode code_of(int error);

// The class of the refusal of an SA; `offloaded` where a device was asked for. The kernel gives one
// number for many reasons: a device that does not know an algorithm says EINVAL as does one that is
// asked for nonsense, so that what we build right counts as the former.
//
//   unsupported  EOPNOTSUPP, EPROTONOSUPPORT (no ESP), ENOSYS, ENOENT (no such algorithm); and
//                EINVAL, ERANGE of a device
//   capacity     ENOSPC: the table is full
//   transient    EBUSY, EAGAIN, EINTR, ENOMEM, ENOBUFS: not now
//   lost         ENODEV, ENETDOWN, ENXIO, of an offload: its device has gone
//   permission   EPERM, EACCES
//   conflict     EEXIST: there is an SA with this SPI; no device's fault
//   invalid      EINVAL, ERANGE without a device: the SA itself is wrong
ErrorCode refusal_code(int error, bool offloaded);

}  // namespace espalier::xfrm
