// SPDX-License-Identifier: Apache-2.0
//
// Inner packets: what is read of them, and the answer to those that are too big.
#include "esp/inner_packet.hpp"
#include "esp/too_big.hpp"
#include "fuzz.hpp"

#include <algorithm>
#include <vector>

using namespace espalier;
using namespace espalier::esp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kMaxPacket) return 0;
  // Of exact size, so that the sanitizer sees a byte too many.
  const std::vector<std::uint8_t> exact(data, data + size);
  const auto inner = parse_inner(exact);
  if (!inner) return 0;
  fuzz::require(inner->length <= size, "a packet ends within its bytes");
  fuzz::require(inner->plain_header <= inner->length, "its header, too");

  std::vector<std::uint8_t> buffer(kHeadroom + size);
  std::copy_n(data, size, buffer.begin() + kHeadroom);
  Packet packet{buffer.data(), static_cast<std::uint32_t>(buffer.size()), kHeadroom,
                static_cast<std::uint32_t>(size), {}};
  if (answer_too_big(packet, *inner, 1280)) {
    const auto answer = parse_inner(packet.view());
    fuzz::require(answer.has_value(), "an answer is a whole packet");
    fuzz::require(answer->flow.destination == inner->flow.source, "it goes to the sender");
    fuzz::require(!answer_too_big(packet, *answer, 1280), "no error is answered by another");
  }
  return 0;
}
