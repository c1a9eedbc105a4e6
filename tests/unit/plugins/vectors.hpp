// SPDX-License-Identifier: Apache-2.0
//
// Published vectors, as the conformance kit has them.
#pragma once

#include <conform/vectors.hpp>

namespace espalier::test {

using conform::Bytes;
using conform::from_hex;
using conform::read_vectors;
using conform::to_hex;
using conform::Vector;

}  // namespace espalier::test
