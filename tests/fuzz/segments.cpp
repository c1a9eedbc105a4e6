// SPDX-License-Identifier: Apache-2.0
//
// What a kernel may give through a TUN device: a virtio header and a packet that belong together, or
// do not.
#include "fuzz.hpp"
#include "io/segmentation.hpp"

#include <cstring>
#include <vector>

using namespace espalier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  io::VirtioHeader header{};
  if (size < sizeof header) return 0;
  std::memcpy(&header, data, sizeof header);
  std::vector<std::uint8_t> packet(data + sizeof header, data + size);
  io::Segmenter segmenter;
  if (!segmenter.take(header, packet)) return 0;
  std::vector<std::uint8_t> out(2048);
  std::size_t segments = 0;
  while (!segmenter.empty()) {
    fuzz::require(segmenter.write_next(out) <= out.size(), "a segment fits");
    fuzz::require(++segments <= packet.size() + 1, "there is an end");
  }
  return 0;
}
