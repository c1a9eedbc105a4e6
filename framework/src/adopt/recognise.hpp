// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>
#include <espalier/sa.hpp>

#include <functional>

#include "xfrm/message.hpp"

namespace espalier::adopt {

// Whether an address is one of this machine's.
using IsLocal = std::function<bool(const IpAddress&)>;

// What an SA is that somebody else has put into the kernel, of its NEWSA. Its name is made of its
// peer, direction and SPI: "192.0.2.2/out/c0ffee01". An error is a clause on why it is none that
// Espalier could place: "its algorithms are ...".
Result<SaSpec> recognise(const xfrm::Message& told, const IsLocal& is_local);

}  // namespace espalier::adopt
