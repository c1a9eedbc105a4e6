// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/address.hpp>
#include <espalier/result.hpp>

namespace espalier::io {

// Why a UDP socket was not bound, by bind()'s errno, and what to do. Names the program that has the
// port, where /proc tells.
Error bind_error(const Endpoint& local, int error);

}  // namespace espalier::io
