// SPDX-License-Identifier: Apache-2.0
//
// What comes to the UDP port of ESP.
#include "fuzz.hpp"
#include "io/udp_demux.hpp"

#include <vector>

using namespace espalier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> exact(data, data + size);
  const io::UdpPayload what = io::classify_udp(exact);
  const bool marker = size >= 4 && (data[0] | data[1] | data[2] | data[3]) == 0;
  fuzz::require((what == io::UdpPayload::ike) == marker, "IKE is what begins with the marker");
  fuzz::require(what != io::UdpPayload::esp || size >= 8, "ESP has a header");
  return 0;
}
