// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "load/descriptor.hpp"

namespace espalier::io {

using load::Descriptor;

}  // namespace espalier::io
