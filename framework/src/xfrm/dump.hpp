// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "xfrm/transport.hpp"

namespace espalier::xfrm {

// Everything that a dump gives, asked for again, within reason, where messages were lost or it
// changed as it was read. `what` is it for a person: "SAs".
Result<std::vector<Message>> dump(Transport& kernel, Request request, std::string_view what);

}  // namespace espalier::xfrm
