// SPDX-License-Identifier: Apache-2.0
//
// Packets that come out of the tunnel, on their way to the kernel as few large ones: cut again,
// these give exactly the packets that were joined. An input says how each packet follows from the
// one before it, since no fuzzer guesses checksums.
#include "esp/bytes.hpp"
#include "esp/checksum.hpp"
#include "esp/inner_packet.hpp"
#include "esp/ip_fields.hpp"
#include "fuzz.hpp"
#include "io/coalescing.hpp"
#include "io/segmentation.hpp"

#include <algorithm>
#include <vector>

using namespace espalier;
using namespace espalier::esp;

namespace {

using Bytes = std::vector<std::uint8_t>;

// What is left of an input.
struct Reader {
  fuzz::Input rest;

  std::uint8_t byte() {
    if (rest.empty()) return 0;
    const std::uint8_t value = rest[0];
    rest = rest.subspan(1);
    return value;
  }
  Bytes bytes(std::size_t count) {
    const auto taken = rest.first(std::min(count, rest.size()));
    rest = rest.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }
};

std::size_t header_of(const Bytes& packet) {
  return packet[0] >> 4 == 4 ? kIpv4Header : kIpv6Header;
}

// Where the payload of a plain TCP or UDP packet begins; 0: it is none.
std::size_t payload_of(const Bytes& packet) {
  const auto inner = parse_inner(packet);
  if (!inner || inner->plain_header == 0 || inner->length != packet.size()) return 0;
  const std::size_t ip = inner->plain_header;
  const bool tcp = inner->after_header == kTcp;
  if (!tcp && inner->after_header != kUdp) return 0;
  if (packet.size() < ip + (tcp ? kTcpHeader : kUdpHeader)) return 0;
  const std::size_t header = tcp ? (packet[ip + kTcpOffset] >> 4) * 4u : kUdpHeader;
  return ip + header <= packet.size() ? ip + header : 0;
}

// Makes lengths and checksums right.
void repair(Bytes& packet) {
  if (packet.size() < kIpv6Header + kTcpHeader) return;
  const std::size_t ip = header_of(packet);
  const bool v4 = ip == kIpv4Header;
  const std::span all(packet);
  if (v4) {
    store_be16(&packet[kIpv4Length], static_cast<std::uint32_t>(packet.size()));
    store_be16(&packet[kIpv4Checksum], 0);
    store_be16(&packet[kIpv4Checksum], checksum_of(sum_words(all.first(ip))));
  } else {
    store_be16(&packet[kIpv6Length], static_cast<std::uint32_t>(packet.size() - ip));
  }
  const std::uint8_t protocol = packet[v4 ? kIpv4Protocol : kIpv6Next];
  if (protocol != kTcp && protocol != kUdp) return;
  const auto transport = all.subspan(ip);
  if (protocol == kUdp)
    store_be16(&transport[kUdpLength], static_cast<std::uint32_t>(transport.size()));
  std::uint8_t* const field = &transport[protocol == kTcp ? kTcpChecksum : kUdpChecksum];
  store_be16(field, 0);
  const auto addresses = v4 ? all.subspan(kIpv4Addresses, 8) : all.subspan(kIpv6Addresses, 32);
  const auto sum =
      sum_pseudo_header(addresses, protocol, static_cast<std::uint32_t>(transport.size())) +
      sum_words(transport);
  const std::uint16_t checksum = checksum_of(sum);
  store_be16(field, protocol == kUdp && checksum == 0 ? 0xffffu : checksum);
}

// The packet that a sender sends after this one.
void go_on(Bytes& packet) {
  const std::size_t payload = payload_of(packet);
  if (payload == 0) return;
  const std::size_t ip = header_of(packet);
  if (ip == kIpv4Header) store_be16(&packet[kIpv4Id], load_be16(&packet[kIpv4Id]) + 1u);
  const bool tcp = packet[ip == kIpv4Header ? kIpv4Protocol : kIpv6Next] == kTcp;
  if (!tcp) return;
  std::uint8_t* const sequence = &packet[ip + kTcpSequence];
  store_be32(sequence, load_be32(sequence) + static_cast<std::uint32_t>(packet.size() - payload));
}

enum Step : std::uint8_t { kFollow = 1, kChange = 2, kRepair = 4, kResize = 8, kStretch = 16 };

std::vector<Bytes> packets_of(Reader& input) {
  std::vector<Bytes> packets;
  while (!input.rest.empty() && packets.size() < 100) {
    const std::uint8_t step = input.byte();
    const bool follow = (step & kFollow) != 0 && !packets.empty();
    Bytes packet = follow ? packets.back() : input.bytes(input.byte());
    if (follow) go_on(packet);
    if ((step & kResize) != 0) packet.resize(packet.size() + input.byte() % 8);
    if ((step & kResize) != 0)
      packet.resize(packet.size() - std::min<std::size_t>(packet.size(), input.byte() % 8));
    if ((step & kStretch) != 0 && packet.size() < 3000)
      packet.resize(packet.size() + 16u * input.byte());
    if ((step & kChange) != 0 && !packet.empty()) {
      const std::size_t at = input.byte() % packet.size();
      packet[at] ^= input.byte();
    }
    if ((step & kRepair) != 0) repair(packet);
    if (!packet.empty()) packets.push_back(std::move(packet));
  }
  return packets;
}

// What DF makes meaningless may change (RFC 6864 4.1): not looked at.
Bytes without_atomic_id(Bytes packet) {
  if (packet.size() < kIpv4Header || packet[0] >> 4 != 4) return packet;
  if ((load_be16(&packet[kIpv4Fragment]) & kIpv4DontFragment) == 0) return packet;
  const bool right = fold(sum_words(std::span(packet).first(kIpv4Header))) == 0xffff;
  store_be16(&packet[kIpv4Id], 0);
  if (right) store_be16(&packet[kIpv4Checksum], 0);
  return packet;
}

void require_same_again(std::span<const Bytes> packets, io::VirtioHeader header, Bytes large) {
  io::Segmenter kernel;
  fuzz::require(kernel.take(header, large), "the kernel takes it");
  std::vector<std::uint8_t> out(70000);
  for (const Bytes& packet : packets) {
    fuzz::require(!kernel.empty(), "no packet is missing");
    const std::size_t length = kernel.write_next(out);
    const Bytes got(out.begin(), out.begin() + static_cast<long>(length));
    fuzz::require(without_atomic_id(got) == without_atomic_id(packet), "it is the same packet");
  }
  fuzz::require(kernel.empty(), "there is none too many");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  Reader input{{data + 1, size - 1}};
  const std::vector<Bytes> packets = packets_of(input);
  std::vector<Bytes> memory = packets;  // of exact size, so that the sanitizer sees a byte too many
  std::vector<Packet> made(memory.size());
  std::vector<Packet*> left;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const auto length = static_cast<std::uint32_t>(memory[i].size());
    made[i] = {memory[i].data(), length, 0, length, {}};
    left.push_back(&made[i]);
  }
  std::span<Packet* const> rest(left);
  std::span<const Bytes> before(packets);
  while (!rest.empty()) {
    const std::size_t count = io::count_joinable(rest, data[0] % 2 != 0);
    fuzz::require(count >= 1 && count <= std::min(rest.size(), io::kMostJoined), "some of them");
    const auto run = rest.first(count);
    const io::VirtioHeader header = io::join(run);
    Bytes large;
    for (std::size_t i = 0; i < count; ++i) {
      const auto one = run[i]->view().subspan(i == 0 ? 0 : header.header_length);
      large.insert(large.end(), one.begin(), one.end());
    }
    fuzz::require(count == 1 || large.size() <= 65535, "IP can say how long it is");
    require_same_again(before.first(count), header, std::move(large));
    rest = rest.subspan(count);
    before = before.subspan(count);
  }
  return 0;
}
