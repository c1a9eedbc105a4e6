// SPDX-License-Identifier: Apache-2.0
//
// Structs of the ABI between hosts and plugins of different minor versions. Vendors need not read
// this file.
#pragma once

#include <espalier/abi.h>

#include <cstring>

namespace espalier::sdk::table {

// Host and plugin may be of different minor versions, so that their structs differ in length. What
// goes in or out is cut to the shorter one: give() writes nothing beyond the host's struct_size,
// take() reads nothing beyond it.
template <class T>
void give(T* out, const T& value) noexcept {
  const uint32_t size = out->struct_size;
  std::memcpy(out, &value, size < sizeof(T) ? size : sizeof(T));
  out->struct_size = size;
}

template <class T>
T take(const T* in) noexcept {
  T value{};
  std::memcpy(&value, in, in->struct_size < sizeof(T) ? in->struct_size : sizeof(T));
  value.struct_size = sizeof(T);
  return value;
}

}  // namespace espalier::sdk::table
