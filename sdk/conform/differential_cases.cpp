// SPDX-License-Identifier: Apache-2.0
//
// Random packets, beside the reference: every length, alignment and placement, sealed and opened,
// some of them spoilt on the way.
#include <fmt/format.h>
#include <conform/cases.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace espalier::conform {
namespace {

constexpr std::uint32_t kBurst = 64;

// How one packet is given to the device.
struct Manner {
  std::uint32_t payload = 0;
  std::uint32_t source_offset = 0;  // from a cache line
  std::uint32_t target_offset = 0;
  bool in_place = true;
  bool inbound = false;
  bool spoilt = false;
  std::uint32_t seq_hi = 0;

  std::string text(const Sa& sa) const;
};

std::string Manner::text(const Sa& sa) const {
  return fmt::format(
      "{} {}{}: {} bytes, of these {} payload, {}, at offset {}{}, high sequence bits "
      "{:#x}",
      inbound ? "opening" : "sealing", spoilt ? "a spoilt packet of " : "", sa.name(),
      sa.length(payload), payload, in_place ? "in place" : "out of place", source_offset,
      in_place ? "" : fmt::format(" to {}", target_offset), seq_hi);
}

struct Packet {
  Manner manner;
  Bytes clear;   // header, IV, payload, and room for the ICV
  Bytes sealed;  // by the reference
  Bytes given;   // what the source holds before the call
  Spot source;
  Spot target;
  espalier_op op{};
  espalier_op asked{};  // what op was on entry
};

// Sessions of one SA, and its packets.
struct Member {
  Sa sa;
  std::uint64_t seal = 0;
  std::uint64_t open = 0;
  std::uint64_t reference = 0;
};

bool same_but_status(espalier_op a, const espalier_op& b) {
  a.status = b.status;
  return std::memcmp(&a, &b, sizeof a) == 0;
}

class Comparison {
 public:
  // Of each SA one session a direction is open at once.
  Comparison(Run& run, Bench& bench, Reference& reference, std::uint32_t directions)
      : run_(run), bench_(bench), reference_(reference), directions_(directions) {}

  void over(std::vector<Sa> sas, std::uint32_t packets) {
    open(std::move(sas));
    for (std::uint32_t left = packets; left > 0;) {
      const auto n = std::min(left, 1 + below(run_.random(), kBurst));
      burst(n);
      left -= n;
    }
    close();
    compared_ += packets;
  }
  std::uint64_t compared() const noexcept { return compared_; }

 private:
  bool does(const Sa& sa, std::uint32_t direction) const {
    return (directions_ & direction) != 0 && bench_.device.does(*sa.info, direction, sa.esn);
  }

  void open(std::vector<Sa> sas) {
    for (Sa& sa : sas) {
      Member member{.sa = std::move(sa)};
      if (does(member.sa, ESPALIER_OUTBOUND))
        member.seal = bench_.device.open(member.sa, ESPALIER_OUTBOUND);
      if (does(member.sa, ESPALIER_INBOUND))
        member.open = bench_.device.open(member.sa, ESPALIER_INBOUND);
      member.reference = reference_.session(member.sa);
      members_.push_back(std::move(member));
    }
  }

  void close() {
    for (const Member& member : members_) {
      if (does(member.sa, ESPALIER_OUTBOUND)) bench_.device.close(member.seal);
      if (does(member.sa, ESPALIER_INBOUND)) bench_.device.close(member.open);
      reference_.close(member.reference);
    }
    members_.clear();
  }

  // Every length to 300 in turn; and every so often those around 1500, 9000 and the longest.
  std::uint32_t payload_length(const Sa& sa) {
    const std::uint32_t turn = turn_++;
    const std::uint32_t block = sa.block_bytes();
    const std::uint32_t room = bench_.device.longest_payload(sa, directions_);
    const bool slow = sa.info->transform.cipher == Cipher::des3_cbc;
    std::uint32_t wanted = (turn - turn / 4) % 301 * (block == 1 ? 1 : 2);
    if (turn % 4 == 3) wanted = 1400 + below(run_.random(), 200);
    if (turn % 16 == 15) wanted = 8950 + below(run_.random(), 100);
    if (turn % (slow ? 997 : 97) == 96) wanted = room - std::min(room, below(run_.random(), 80));
    return std::min(wanted, room) / block * block;
  }

  Manner any_manner(const Member& member) {
    Random& random = run_.random();
    return {.payload = payload_length(member.sa),
            .source_offset = below(random, 64),
            .target_offset = below(random, 64),
            .in_place = random() % 2 == 0,
            .seq_hi = member.sa.esn ? below(random, 1ULL << 32) : 0};
  }

  Packet make(const Member& member, const Manner& manner) {
    Packet packet;
    packet.manner = manner;
    packet.clear = random_bytes(run_.random(), member.sa.length(manner.payload));
    std::fill(packet.clear.end() - member.sa.icv_bytes(), packet.clear.end(), std::uint8_t{0});
    packet.sealed = packet.clear;
    reference_.seal(member.reference, member.sa, packet.sealed, manner.seq_hi);
    return packet;
  }

  void place(Packet& packet, const Member& member) {
    const Manner& m = packet.manner;
    packet.given = m.inbound ? packet.sealed : packet.clear;
    std::uint32_t seq_hi = m.seq_hi;
    if (m.spoilt) {
      const auto bit = below(run_.random(), 8 * packet.given.size() + (member.sa.esn ? 64 : 0));
      if (bit < 8 * packet.given.size())
        packet.given[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
      else
        seq_hi ^= 1U << bit % 32;
    }
    const auto size = static_cast<std::uint32_t>(packet.given.size());
    packet.source = bench_.memory.take(size, m.source_offset);
    packet.target = m.in_place ? packet.source : bench_.memory.take(size, m.target_offset);
    std::memcpy(packet.source.data, packet.given.data(), size);
    if (!m.in_place) std::memset(packet.target.data, 0x3c, size);
    packet.op = make_op(m.inbound ? member.open : member.seal, member.sa, packet.source,
                        m.in_place ? nullptr : &packet.target, seq_hi);
    packet.asked = packet.op;
  }

  // Seals some of them and opens the others in one burst, then the other way round.
  void burst(std::uint32_t n) {
    std::vector<const Member*> whose;
    std::vector<Packet> packets;
    for (std::uint32_t i = 0; i < n; ++i) {
      whose.push_back(&members_[below(run_.random(), members_.size())]);
      packets.push_back(make(*whose.back(), any_manner(*whose.back())));
    }
    const std::uint64_t first =
        run_.random()() & ~1ULL;  // a device that does nothing does not seal
    for (const bool second : {false, true}) {
      bench_.memory.reset();
      std::vector<espalier_op*> ops;
      std::vector<std::size_t> given;
      for (std::size_t i = 0; i < packets.size(); ++i) {
        const bool inbound = ((first >> i % 64 & 1) != 0) != second;
        if (!does(whose[i]->sa, inbound ? ESPALIER_INBOUND : ESPALIER_OUTBOUND)) continue;
        Manner& manner = packets[i].manner;
        manner.inbound = inbound;
        manner.spoilt = inbound && run_.random()() % 8 == 0;
        place(packets[i], *whose[i]);
        ops.push_back(&packets[i].op);
        given.push_back(i);
      }
      bench_.lane.complete(ops);
      for (const bool inbound : {false, true})
        for (const std::size_t i : given)
          if (packets[i].manner.inbound == inbound) judge(packets[i], *whose[i]);
    }
  }

  void judge(const Packet& packet, const Member& member) {
    const Manner& m = packet.manner;
    const auto wrong = [&](Req broken, std::string_view what) {
      run_.stop(broken, fmt::format("{}: {}", m.text(member.sa), what));
    };
    if (!bench_.memory.intact(packet.source) || !bench_.memory.intact(packet.target))
      wrong(Req::bounds, "bytes outside of the packet were written");
    if (!same_but_status(packet.op, packet.asked))
      wrong(Req::op_fields, "more of the op than its status was changed");
    if (!m.in_place &&
        std::memcmp(packet.source.data, packet.given.data(), packet.given.size()) != 0)
      wrong(Req::placement, "the source was changed");
    if (m.spoilt) return judge_spoilt(packet, member);
    if (const auto words = what_is_wrong(packet, member); !words.empty())
      wrong(diagnosed(m, member), words);
  }

  std::string what_is_wrong(const Packet& packet, const Member& member) const {
    if (packet.op.status != ESPALIER_OP_DONE) return "status " + op_status_name(packet.op.status);
    const bool inbound = packet.manner.inbound;
    const Bytes& wanted = inbound ? packet.clear : packet.sealed;
    const std::size_t size = wanted.size() - (inbound ? member.sa.icv_bytes() : 0);
    if (std::memcmp(packet.target.data, wanted.data(), size) == 0) return {};
    const auto at = static_cast<std::size_t>(
        std::mismatch(wanted.data(), wanted.data() + size, packet.target.data).first -
        wanted.data());
    return fmt::format("byte {} is {:02x} instead of {:02x}", at, packet.target.data[at],
                       wanted[at]);
  }

  void judge_spoilt(const Packet& packet, const Member& member) {
    if (packet.op.status != ESPALIER_OP_BAD_ICV)
      return run_.fail(Req::spoilt, fmt::format("{}: status {}", packet.manner.text(member.sa),
                                                op_status_name(packet.op.status)));
    const auto from = member.sa.payload_offset();
    for (std::size_t i = from; i + 8 <= from + packet.manner.payload; i += 8)
      if (std::memcmp(packet.target.data + i, packet.clear.data() + i, 8) == 0)
        return run_.fail(Req::no_plaintext, fmt::format("{}: byte {} on is plaintext",
                                                        packet.manner.text(member.sa), i));
  }

  // ---- Which requirement it is: the same packet once more, alone, one thing changed at a time
  // -----
  bool right(Manner manner, const Member& member) {
    Packet packet = make(member, manner);
    bench_.memory.reset();
    place(packet, member);
    bench_.lane.complete(packet.op);
    return what_is_wrong(packet, member).empty();
  }

  Req diagnosed(const Manner& as_it_was, const Member& member) {
    const auto with = [&](auto change) {
      Manner manner = as_it_was;
      change(manner);
      return right(manner, member);
    };
    if (with([](Manner&) {})) return Req::apart;
    if (with([](Manner& m) { m.source_offset = m.target_offset = 0; })) return Req::alignment;
    if (with([](Manner& m) { m.in_place = !m.in_place; })) return Req::placement;
    if (member.sa.esn && with([](Manner& m) { m.seq_hi = 0; })) return Req::esn;
    if (member.sa.esn && right_without_esn(as_it_was, member)) return Req::esn;
    if (as_it_was.payload != 64 && with([](Manner& m) { m.payload = 64; })) return Req::lengths;
    return as_it_was.inbound ? Req::opens_packets : Req::seals;
  }

  bool right_without_esn(Manner manner, const Member& with_esn) {
    Member member{.sa = with_esn.sa};
    member.sa.esn = false;
    const auto direction = manner.inbound ? ESPALIER_INBOUND : ESPALIER_OUTBOUND;
    if (!does(member.sa, direction)) return false;
    const auto answer = bench_.device.try_open(member.sa, direction);
    if (answer.status != ESPALIER_OK) return false;
    member.seal = member.open = answer.session;
    member.reference = reference_.session(member.sa);
    manner.seq_hi = 0;
    const bool holds = right(manner, member);
    reference_.close(member.reference);
    bench_.device.close(answer.session);
    return holds;
  }

  Run& run_;
  Bench& bench_;
  Reference& reference_;
  std::uint32_t directions_;
  std::vector<Member> members_;
  std::uint32_t turn_ = 0;
  std::uint64_t compared_ = 0;
};

void differential(Run& run) {
  Bench bench(run);
  Reference reference(run);
  const auto sas = bench.device.sas(run.random(), run.job().capability);
  const auto room = std::min(capacity_of(bench.device.info(), PoolKind::sas, ESPALIER_OUTBOUND),
                             capacity_of(bench.device.info(), PoolKind::sas, ESPALIER_INBOUND));
  const auto at_once = std::max<std::size_t>(1, std::min<std::uint64_t>(room / 2, sas.size()));
  run.at("comparing random packets with the reference");
  std::uint64_t compared = 0;
  const auto compare = [&](std::uint32_t directions) {
    Comparison comparison(run, bench, reference, directions);
    for (std::size_t i = 0; i < sas.size(); i += at_once) {
      const auto n = std::min(at_once, sas.size() - i);
      const auto first = sas.begin() + static_cast<std::ptrdiff_t>(i);
      const auto share = std::uint64_t{run.budget().packets} * n / sas.size();
      comparison.over(std::vector<Sa>(first, first + static_cast<std::ptrdiff_t>(n)),
                      static_cast<std::uint32_t>(share) + 1);
    }
    compared = comparison.compared();
  };
  if (room > 1)
    compare(ESPALIER_OUTBOUND | ESPALIER_INBOUND);
  else
    for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) compare(direction);
  run.compared(compared);
}

}  // namespace

std::vector<Case> differential_cases() {
  return {
      {"differential",
       "Random packets, beside the reference.",
       Scope::capability,
       false,
       {Req::seals, Req::opens_packets, Req::placement, Req::alignment, Req::esn, Req::lengths,
        Req::spoilt, Req::no_plaintext, Req::bounds, Req::op_fields, Req::apart, Req::status_set},
       differential}};
}

}  // namespace espalier::conform
