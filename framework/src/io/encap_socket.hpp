// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>

#include "io/descriptor.hpp"

namespace espalier::io {

// The socket by which the kernel takes ESP in UDP (RFC 3948) for its own SAs at this end. They are
// reached for as long as it is open; what else comes is dropped.
Result<Descriptor> open_encap_socket(const Endpoint& local);

}  // namespace espalier::io
