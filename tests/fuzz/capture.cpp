// SPDX-License-Identifier: Apache-2.0
//
// A capture file, and the packets in it.
#include "fuzz.hpp"
#include "io/capture_file.hpp"
#include "io/capture_frame.hpp"

#include <vector>

using namespace espalier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryFile& file = *new fuzz::MemoryFile(".pcap");
  file.write({data, size});
  auto reader = io::CaptureReader::open(file.path());
  if (!reader) {
    fuzz::require(!reader.error().message.empty(), "an error says what");
    return 0;
  }
  for (int frames = 0; frames < 1000; ++frames) {
    const auto frame = reader->next();
    if (!frame || !*frame) break;
    const std::vector<std::uint8_t> exact((*frame)->bytes.begin(), (*frame)->bytes.end());
    const auto ip = io::ip_packet_in(reader->link_type(), exact, (*frame)->length);
    if (!ip) continue;
    fuzz::require(ip->size() <= exact.size(), "a packet is within its frame");
    if (const auto esp = io::esp_packet_in(*ip, 4500))
      fuzz::require(esp->esp.size() <= ip->size(), "ESP is within its packet");
  }
  return 0;
}
