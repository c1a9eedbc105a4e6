// SPDX-License-Identifier: Apache-2.0
#include "io/segmentation.hpp"

#include "esp/bytes.hpp"
#include "esp/checksum.hpp"
#include "esp/ip_fields.hpp"

#include <algorithm>
#include <cstring>

namespace espalier::io {

using namespace esp;

namespace {

std::uint16_t load_word(const std::uint8_t* p) noexcept {
  std::uint16_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// The checksum of what adds up to `sum`. In UDP 0 means 'none', and 0xffff is the same sum.
void store_checksum(std::uint8_t* at, std::uint64_t sum, bool udp = false) noexcept {
  const std::uint16_t checksum = checksum_of(sum);
  store_be16(at, udp && checksum == 0 ? 0xffffu : checksum);
}

bool is_ipv4(std::span<const std::uint8_t> packet) noexcept { return packet[0] >> 4 == 4; }

}  // namespace

bool Segmenter::take(const VirtioHeader& header, std::span<std::uint8_t> packet) noexcept {
  packet_ = packet;
  headers_ = next_ = 0;
  index_ = 0;
  if (packet.empty()) return false;
  if (header.gso_type != VirtioHeader::kGsoNone) {
    empty_ = !take_large(header);
  } else {
    empty_ = !take_whole(header);
    if (!empty_ && (header.flags & VirtioHeader::kNeedsChecksum) != 0)
      store_checksum(&packet[header.checksum_start + std::size_t{header.checksum_offset}],
                     sum_words(packet.subspan(header.checksum_start)),
                     header.checksum_offset == kUdpChecksum);
  }
  return !empty_;
}

bool Segmenter::take_whole(const VirtioHeader& header) noexcept {
  if ((header.flags & VirtioHeader::kNeedsChecksum) == 0) return true;
  return std::size_t{header.checksum_start} + header.checksum_offset + 2 <= packet_.size();
}

bool Segmenter::take_large(const VirtioHeader& header) noexcept {
  if ((header.flags & VirtioHeader::kNeedsChecksum) == 0 || header.gso_size == 0) return false;
  const bool v4 = is_ipv4(packet_);
  const auto type = static_cast<std::uint8_t>(header.gso_type & ~VirtioHeader::kGsoEcn);
  tcp_ = type == (v4 ? VirtioHeader::kGsoTcp4 : VirtioHeader::kGsoTcp6);
  if (!tcp_ && type != VirtioHeader::kGsoUdp) return false;
  transport_ = header.checksum_start;
  if (transport_ < (v4 ? std::max<std::size_t>(kIpv4Header, (packet_[0] & 15u) * 4) : kIpv6Header))
    return false;
  if (header.checksum_offset != (tcp_ ? kTcpChecksum : kUdpChecksum)) return false;
  if (transport_ + (tcp_ ? kTcpHeader : kUdpHeader) > packet_.size()) return false;
  const std::size_t length = tcp_ ? (packet_[transport_ + kTcpOffset] >> 4) * 4u : kUdpHeader;
  headers_ = transport_ + length;
  size_ = header.gso_size;
  return length >= (tcp_ ? kTcpHeader : kUdpHeader) && headers_ < packet_.size();
}

std::size_t Segmenter::write_next(std::span<std::uint8_t> out) noexcept {
  if (headers_ == 0) {
    empty_ = true;
    if (packet_.size() > out.size()) return 0;
    std::memcpy(out.data(), packet_.data(), packet_.size());
    return packet_.size();
  }
  const std::size_t payload = std::min(size_, packet_.size() - headers_ - next_);
  const bool last = headers_ + next_ + payload == packet_.size();
  const std::size_t length = headers_ + payload;
  if (length <= out.size()) {
    const auto segment = out.first(length);
    std::memcpy(segment.data(), packet_.data(), headers_);
    std::memcpy(segment.data() + headers_, packet_.data() + headers_ + next_, payload);
    fix_ip(segment);
    const auto transport = segment.subspan(transport_);
    if (tcp_)
      fix_tcp(transport, last);
    else
      store_be16(&transport[kUdpLength], static_cast<std::uint32_t>(transport.size()));
    write_checksum(transport, tcp_ ? kTcpChecksum : kUdpChecksum);
  }
  next_ += payload;
  ++index_;
  empty_ = last;
  return length <= out.size() ? length : 0;
}

void Segmenter::fix_ip(std::span<std::uint8_t> segment) const noexcept {
  if (!is_ipv4(segment)) {
    store_be16(&segment[kIpv6Length], static_cast<std::uint32_t>(segment.size() - kIpv6Header));
    return;
  }
  store_be16(&segment[kIpv4Length], static_cast<std::uint32_t>(segment.size()));
  store_be16(&segment[kIpv4Id], load_be16(&packet_[kIpv4Id]) + std::uint32_t{index_});
  store_be16(&segment[kIpv4Checksum], 0);
  store_checksum(&segment[kIpv4Checksum], sum_words(segment.first((segment[0] & 15u) * 4)));
}

// FIN and PSH are the last segment's, CWR is the first's (RFC 3168 6.1.2: sent once).
void Segmenter::fix_tcp(std::span<std::uint8_t> transport, bool last) const noexcept {
  store_be32(&transport[kTcpSequence],
             load_be32(&packet_[transport_ + kTcpSequence]) + static_cast<std::uint32_t>(next_));
  std::uint8_t dropped = last ? 0 : kFin | kPsh;
  if (index_ > 0) dropped |= kCwr;
  transport[kTcpFlags] = static_cast<std::uint8_t>(transport[kTcpFlags] & ~dropped);
}

// The checksum's place holds the sum of the pseudo-header of the large packet, of which only the
// length is another one here.
void Segmenter::write_checksum(std::span<std::uint8_t> transport,
                               std::size_t offset) const noexcept {
  const auto large = static_cast<std::uint16_t>(packet_.size() - transport_);
  const auto small = static_cast<std::uint16_t>(transport.size());
  std::uint64_t sum = load_word(&transport[offset]);
  sum += static_cast<std::uint16_t>(~word_of(large));
  sum += word_of(small);
  store_be16(&transport[offset], 0);
  store_checksum(&transport[offset], sum + sum_words(transport), !tcp_);
}

}  // namespace espalier::io
