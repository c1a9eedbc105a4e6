// SPDX-License-Identifier: Apache-2.0
#include "rounds.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace espalier::test {

// A packet on its way through one backend call.
struct Rounds::Packet {
  const Member* member = nullptr;
  bool inbound = false;
  bool spoilt = false;
  std::uint32_t seq_hi = 0;
  Bytes clear;  // header, IV, payload
  Bytes given;  // what the source buffer held before the call
  std::unique_ptr<Buffer> source;
  std::unique_ptr<Buffer> destination;  // empty: in place
  espalier_op op{};

  std::uint32_t length() const { return static_cast<std::uint32_t>(given.size()); }
  Buffer& target() { return destination ? *destination : *source; }
  void place(Random& random);
  std::string check(const Bytes& sealed);

 private:
  std::string check_sealed(const Bytes& sealed);
  std::string check_opened();
  std::string check_refused();
  std::string where() const;
};

void Rounds::Packet::place(Random& random) {
  source = std::make_unique<Buffer>(given.size(), random() % 64);
  std::memcpy(source->data(), given.data(), given.size());
  if (random() % 2 == 0) destination = std::make_unique<Buffer>(given.size(), random() % 64);
  op = make_op(inbound ? member->open : member->seal, member->sa, source->data(), length(), seq_hi);
  if (destination) op.dst = destination->data();
}

std::string Rounds::Packet::where() const {
  return std::string(inbound ? " when opening " : " when sealing ") +
         transform_of(member->sa).name() + (member->sa.esn ? " with ESN, " : ", ") +
         (destination ? "out of place, " : "in place, ") + (spoilt ? "spoilt, " : "") + "length " +
         std::to_string(length());
}

std::string Rounds::Packet::check(const Bytes& sealed) {
  if (!source->canaries_intact() || !target().canaries_intact())
    return "bytes outside of the packet were written" + where();
  if (op.cookie != 0x0123456789abcdef || op.length != length())
    return "the op was changed" + where();
  if (destination && std::memcmp(source->data(), given.data(), given.size()) != 0)
    return "the source was changed" + where();
  if (!inbound) return check_sealed(sealed);
  if (std::memcmp(source->data() + op.icv_offset, given.data() + op.icv_offset,
                  member->sa.icv_bytes) != 0)
    return "the ICV that came in was changed" + where();
  return spoilt ? check_refused() : check_opened();
}

std::string Rounds::Packet::check_sealed(const Bytes& sealed) {
  if (op.status != ESPALIER_OP_DONE) return "status " + std::to_string(op.status) + where();
  const auto* packet = target().data();
  const auto differs = std::mismatch(sealed.begin(), sealed.end(), packet).first - sealed.begin();
  if (differs == static_cast<std::ptrdiff_t>(sealed.size())) return {};
  return "the oracle differs at byte " + std::to_string(differs) + where();
}

std::string Rounds::Packet::check_opened() {
  if (op.status != ESPALIER_OP_DONE) return "status " + std::to_string(op.status) + where();
  if (std::memcmp(target().data(), clear.data(), clear.size()) != 0)
    return "not what was sealed" + where();
  return {};
}

std::string Rounds::Packet::check_refused() {
  if (op.status != ESPALIER_OP_BAD_ICV) return "status " + std::to_string(op.status) + where();
  for (std::size_t i = member->sa.payload_offset(); i + 8 <= clear.size(); ++i) {
    if (std::memcmp(target().data() + i, clear.data() + i, 8) == 0)
      return "plaintext at byte " + std::to_string(i) + where();
  }
  return {};
}

Rounds::Rounds(OpenBackend& candidate, OpenBackend& oracle, std::vector<Sa> sas, std::uint64_t seed)
    : candidate_(candidate), oracle_(oracle), random_(seed) {
  for (auto& sa : sas) {
    const auto seal = candidate.session(sa, ESPALIER_OUTBOUND);
    const auto open = candidate.session(sa, ESPALIER_INBOUND);
    const auto by_oracle = oracle.session(sa, ESPALIER_OUTBOUND);
    members_.push_back({std::move(sa), seal, open, by_oracle});
  }
}

Rounds::~Rounds() {
  for (const auto& member : members_) {
    candidate_.close(member.seal);
    candidate_.close(member.open);
    oracle_.close(member.oracle);
  }
}

// Every length to 300 in turn; and every so often those around 1500, 9000 and the longest.
std::uint32_t Rounds::payload_length(const Sa& sa) {
  const std::uint32_t turn = made_++;
  const std::uint32_t block = sa.block_bytes();
  const auto whole_blocks = [&](std::uint32_t n) { return n / block * block; };
  if (turn % 97 == 96) {
    const std::uint32_t fits = 65535 - sa.payload_offset() - sa.icv_bytes;
    const bool aead = sa.integrity == ESPALIER_INTEGRITY_NONE;
    return whole_blocks(fits - below(80) + (aead ? below(400) : 0));
  }
  if (turn % 16 == 15) return whole_blocks(8950 + below(100));
  if (turn % 4 == 3) return whole_blocks(1400 + below(200));
  return whole_blocks((turn - turn / 4) % 301 * (block == 1 ? 1 : 2));
}

Rounds::Packet Rounds::new_packet() {
  Packet packet;
  packet.member = &members_[below(static_cast<std::uint32_t>(members_.size()))];
  const Sa& sa = packet.member->sa;
  packet.clear = random_bytes(random_, sa.payload_offset() + payload_length(sa));
  packet.seq_hi = sa.esn ? static_cast<std::uint32_t>(random_()) : 0;
  packet.given = packet.clear;
  packet.given.resize(packet.clear.size() + sa.icv_bytes);
  packet.place(random_);
  return packet;
}

Bytes Rounds::seal_by_oracle(const Packet& packet) {
  Bytes sealed = packet.given;
  auto op = make_op(packet.member->oracle, packet.member->sa, sealed.data(), packet.length(),
                    packet.seq_hi);
  if (oracle_.process(op) != ESPALIER_OP_DONE) throw std::runtime_error("the oracle failed");
  return sealed;
}

// One bit somewhere in the packet, or in the high sequence bits.
void Rounds::spoil(Packet& packet) {
  packet.spoilt = true;
  if (packet.member->sa.esn && below(8) == 0) {
    packet.seq_hi ^= 1U << below(32);
    return;
  }
  const auto bit = below(8 * packet.length());
  packet.given[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
}

std::string Rounds::run(std::uint32_t packets) {
  std::vector<Packet> to_open;
  while (made_ < packets || !to_open.empty()) {
    auto all = std::move(to_open);
    to_open.clear();
    const auto burst = made_ < packets ? 1 + below(64) : 0;
    for (std::uint32_t i = 0; i < burst; ++i) all.push_back(new_packet());
    std::ranges::shuffle(all, random_);
    std::vector<espalier_op*> ops;
    for (auto& packet : all) ops.push_back(&packet.op);
    candidate_.process(ops);
    for (auto& packet : all) {
      const Bytes sealed = packet.inbound ? Bytes{} : seal_by_oracle(packet);
      if (auto wrong = packet.check(sealed); !wrong.empty()) return wrong;
      if (packet.inbound) continue;
      Packet back;
      back.member = packet.member;
      back.inbound = true;
      back.seq_hi = packet.seq_hi;
      back.clear = std::move(packet.clear);
      back.given = sealed;
      if (below(8) == 0) spoil(back);
      back.place(random_);
      to_open.push_back(std::move(back));
    }
  }
  return {};
}

}  // namespace espalier::test
