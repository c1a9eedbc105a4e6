// SPDX-License-Identifier: Apache-2.0
//
// What a device must find wrong, and what it then leaves behind.
#include <fmt/format.h>
#include <conform/cases.hpp>

#include <algorithm>
#include <cstring>
#include <set>

namespace espalier::conform {
namespace {

// One packet of an inbound session, with a bit of each of these bytes changed.
struct Forged {
  std::string what;
  std::vector<std::uint32_t> bytes;
  bool in_place = true;
};

class Verdicts {
 public:
  Verdicts(Run& run, Bench& bench, Reference& reference, const Sa& sa, std::uint32_t payload)
      : run_(run),
        bench_(bench),
        sa_(sa),
        payload_(payload),
        clear_(random_bytes(run.random(), sa.length(payload))),
        seq_hi_(sa.esn ? 0x01020304 : 0),
        sealed_(reference.sealed(sa, clear_, seq_hi_)),
        session_(bench.device.open(sa, ESPALIER_INBOUND)) {}
  ~Verdicts() { bench_.device.close(session_); }
  Verdicts(const Verdicts&) = delete;
  Verdicts& operator=(const Verdicts&) = delete;

  // Each byte of the header, IV, payload and ICV in turn, in one burst.
  void every_byte() {
    std::vector<Forged> all;
    for (std::uint32_t byte = 0; byte < sealed_.size(); ++byte)
      for (const bool in_place : {true, false}) all.push_back({part_of(byte), {byte}, in_place});
    for (std::size_t i = 0; i < all.size(); i += 64)
      forge(std::span(all).subspan(i, std::min<std::size_t>(64, all.size() - i)));
  }

  // The same bit in two bytes of the ICV: a comparison that folds the words must not cancel them.
  void icv_pairs() {
    const auto end = static_cast<std::uint32_t>(sealed_.size());
    std::vector<Forged> all;
    for (const std::uint32_t apart : {1U, 2U, 4U, 8U, 16U})
      for (std::uint32_t byte = end - sa_.icv_bytes(); byte + apart < end; ++byte)
        all.push_back({part_of(byte) + " and " + part_of(byte + apart), {byte, byte + apart}});
    forge(all);
  }

  void last_byte() {
    const auto last = static_cast<std::uint32_t>(sealed_.size() - 1);
    const Forged both[] = {{part_of(last), {last}, true}, {part_of(last), {last}, false}};
    forge(both);
  }

 private:
  std::string part_of(std::uint32_t byte) const {
    const std::uint32_t icv = sa_.payload_offset() + payload_;
    if (byte >= icv) return fmt::format("ICV byte {}", byte - icv);
    if (byte >= sa_.payload_offset())
      return fmt::format("payload byte {}", byte - sa_.payload_offset());
    if (byte >= 8) return fmt::format("IV byte {}", byte - 8);
    return fmt::format("{} byte {}", byte < 4 ? "SPI" : "sequence", byte % 4);
  }

  void forge(std::span<const Forged> all) {
    bench_.memory.reset();
    const auto size = static_cast<std::uint32_t>(sealed_.size());
    std::vector<espalier_op> ops(all.size());
    std::vector<Spot> targets(all.size());
    std::vector<espalier_op*> pointers;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Spot source = bench_.memory.take(size);
      std::memcpy(source.data, sealed_.data(), size);
      const auto bit = static_cast<std::uint8_t>(1U << below(run_.random(), 8));
      for (const std::uint32_t byte : all[i].bytes) source.data[byte] ^= bit;
      targets[i] = all[i].in_place ? source : bench_.memory.take(size);
      if (!all[i].in_place) std::memset(targets[i].data, 0x3c, size);
      ops[i] = make_op(session_, sa_, source, all[i].in_place ? nullptr : &targets[i], seq_hi_);
      pointers.push_back(&ops[i]);
    }
    bench_.lane.complete(pointers);
    for (std::size_t i = 0; i < all.size(); ++i) judge(all[i], ops[i], targets[i]);
  }

  void judge(const Forged& forged, const espalier_op& op, const Spot& target) {
    const auto words = [&](std::string_view what) {
      return fmt::format("{}, {} bytes, {}, {} changed: {}", sa_.name(), sealed_.size(),
                         forged.in_place ? "in place" : "out of place", forged.what, what);
    };
    if (op.status != ESPALIER_OP_BAD_ICV)
      return run_.fail(Req::spoilt, words("status " + op_status_name(op.status)));
    const std::uint32_t from = sa_.payload_offset();
    for (std::uint32_t i = from; i + 8 <= from + payload_; ++i)
      if (std::memcmp(target.data + i, clear_.data() + i, 8) == 0)
        return run_.fail(Req::no_plaintext,
                         words(fmt::format("BAD_ICV, but bytes {} to {} are plaintext", i, i + 7)));
    // Fewer bytes than five in a row are found by chance.
    const std::uint32_t tail = payload_ % 8;
    const std::uint32_t end = from + payload_;
    if (tail >= 5 && std::memcmp(target.data + end - tail, clear_.data() + end - tail, tail) == 0)
      run_.fail(Req::no_plaintext,
                words(fmt::format("BAD_ICV, but the last {} bytes are plaintext", tail)));
  }

  Run& run_;
  Bench& bench_;
  const Sa& sa_;
  std::uint32_t payload_;
  Bytes clear_;
  std::uint32_t seq_hi_;
  Bytes sealed_;
  std::uint64_t session_;
};

void verdicts(Run& run) {
  Bench bench(run);
  Reference reference(run);
  for (const Sa& sa : bench.device.sas(run.random(), run.job().capability)) {
    if (!bench.device.does(*sa.info, ESPALIER_INBOUND, sa.esn)) continue;
    run.at("forging packets of " + sa.name());
    std::set<std::uint32_t> tried;
    const auto with = [&](std::uint32_t payload, auto forge) {
      payload = std::min(payload, bench.device.longest_payload(sa, ESPALIER_INBOUND)) /
                sa.block_bytes() * sa.block_bytes();
      if (!tried.insert(payload).second) return;
      Verdicts verdicts(run, bench, reference, sa, payload);
      forge(verdicts);
    };
    for (const std::uint32_t payload : {64U, 32U})
      with(payload, [](Verdicts& v) { v.every_byte(), v.icv_pairs(); });
    for (const std::uint32_t payload : {63U, 304U, 1440U, 8992U})
      with(payload, [](Verdicts& v) { v.last_byte(); });
  }
  if (std::ranges::none_of(bench.device.capabilities(run.job().capability),
                           [](const auto& c) { return (c.directions & ESPALIER_INBOUND) != 0; }))
    for (const Req each : {Req::spoilt, Req::no_plaintext})
      run.not_applicable(each, "it is not declared for inbound");
}

struct Malformed {
  std::string_view what;
  void (*spoil)(espalier_op& op, const Sa& sa);
};

constexpr Malformed kMalformed[] = {
    {"one byte longer than its ICV", [](espalier_op& op, const Sa&) { ++op.length; }},
    {"one byte shorter than its ICV", [](espalier_op& op, const Sa&) { --op.length; }},
    {"an ICV within its IV",
     [](espalier_op& op, const Sa& sa) {
       op.icv_offset = sa.payload_offset() - 1;
       op.length = op.icv_offset + sa.icv_bytes();
     }},
    {"an ICV at its beginning",
     [](espalier_op& op, const Sa& sa) {
       op.icv_offset = 0;
       op.length = sa.icv_bytes();
     }},
    {"a length that overflows 32 bits",
     [](espalier_op& op, const Sa& sa) {
       op.icv_offset = UINT32_MAX;
       op.length = sa.icv_bytes() - 1;
     }},
    {"a payload that is no multiple of the block", [](espalier_op& op, const Sa& sa) {
       if (sa.block_bytes() == 1) return;
       ++op.icv_offset;
       ++op.length;
     }}};

void malformed_ops(Run& run) {
  Bench bench(run);
  for (const Sa& sa : bench.device.sas(run.random(), run.job().capability)) {
    for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) {
      if (!bench.device.does(*sa.info, direction, sa.esn)) continue;
      const auto session = bench.device.open(sa, direction);
      for (const Malformed& malformed : kMalformed) {
        run.at(fmt::format("an op of {} with {}", sa.name(), malformed.what));
        bench.memory.reset();
        const Spot spot = bench.memory.take(sa.length(64));
        const Bytes before = random_bytes(run.random(), spot.size);
        std::ranges::copy(before, spot.data);
        const auto good = make_op(session, sa, spot);
        auto op = good;
        malformed.spoil(op, sa);
        if (op.length == good.length) continue;
        const auto status = bench.lane.complete(op);
        const bool same = std::equal(before.begin(), before.end(), spot.data);
        if (status != ESPALIER_OP_FAILED || !same || !bench.memory.intact(spot))
          run.fail(
              Req::malformed_op,
              fmt::format("{}: an op with {} is answered {}, and its memory is {}", sa.name(),
                          malformed.what, op_status_name(status), same ? "untouched" : "changed"));
      }
      bench.device.close(session);
    }
  }
}

// The longest packet of an SA and one block more, in place.
void limits_of(Run& run, Bench& bench, Reference& reference, const Sa& sa, std::uint32_t direction,
               std::uint32_t limit) {
  const std::uint32_t longest = bench.device.longest_payload(sa, direction);
  const auto session = bench.device.open(sa, direction);
  const auto through = [&](std::uint32_t payload) {
    bench.memory.reset();
    const Spot spot = bench.memory.take(sa.length(payload));
    Bytes given(spot.size, 0x11);
    if (direction == ESPALIER_INBOUND) given = reference.sealed(sa, std::move(given), 0);
    std::ranges::copy(given, spot.data);
    auto op = make_op(session, sa, spot);
    bench.lane.complete(op);
    return std::pair{op.status, std::equal(given.begin(), given.end(), spot.data)};
  };
  const auto words = [&](std::uint32_t payload, std::string_view where) {
    return fmt::format("{} {}: {} bytes are {}, but answered",
                       direction == ESPALIER_OUTBOUND ? "outbound" : "inbound", sa.name(),
                       sa.length(payload), where);
  };
  run.at(fmt::format("the longest packet of {}", sa.name()));
  // Where a short one does not go through either, that is another case's.
  const bool short_one = through(std::min(longest, 64U)).first == ESPALIER_OP_DONE;
  if (const auto [status, same] = through(longest); short_one && status != ESPALIER_OP_DONE)
    run.fail(Req::max_length, fmt::format("{} {}",
                                          words(longest, limit == 0 ? "within no declared limit"
                                                                    : "within max_length"),
                                          op_status_name(status)));
  if (limit != 0) {
    const std::uint32_t beyond = longest + sa.block_bytes();
    run.at(fmt::format("a packet of {} that is too long", sa.name()));
    if (const auto [status, same] = through(beyond); status != ESPALIER_OP_FAILED || !same)
      run.fail(Req::max_length,
               fmt::format("{} {}{}", words(beyond, fmt::format("beyond max_length {}", limit)),
                           op_status_name(status), same ? "" : ", and changed"));
  }
  bench.device.close(session);
}

void limits(Run& run) {
  Bench bench(run);
  Reference reference(run);
  for (const Capability& capability : bench.device.capabilities(run.job().capability))
    for (const TransformInfo* transform : variants(capability))
      for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND})
        if ((capability.directions & direction) != 0)
          limits_of(run, bench, reference,
                    random_sa(run.random(), *transform, !covers_esn(capability, false)), direction,
                    capability.max_length);
}

// A session of an SA in one direction.
struct Way {
  Sa sa;
  std::uint32_t direction;
  std::uint64_t session;
};

// Of every SA, outbound and inbound, as far as there is room.
std::vector<Way> every_way(Run& run, Bench& bench) {
  std::vector<Way> ways;
  for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) {
    auto room =
        std::min(capacity_of(bench.device.info(), PoolKind::sas, direction), std::uint64_t{128});
    for (Sa& sa : bench.device.sas(run.random(), "")) {
      if (!bench.device.does(*sa.info, direction, sa.esn) || room == 0) continue;
      const auto answer = bench.device.try_open(sa, direction);
      if (answer.status != ESPALIER_OK) break;  // the pools are another case's
      ways.push_back({std::move(sa), direction, answer.session});
      --room;
    }
  }
  std::ranges::shuffle(ways, run.random());
  return ways;
}

// Packets of every SA and both directions in one burst, with bad ones among them; only what becomes
// of the good counts.
void apart(Run& run) {
  Bench bench(run);
  Reference reference(run);
  const std::vector<Way> ways = every_way(run, bench);
  if (ways.empty()) return run.not_applicable(Req::apart, "no session of it opens");
  const std::size_t n = std::max<std::size_t>(256, ways.size());
  std::vector<espalier_op> ops(n);
  std::vector<Bytes> given(n);
  std::vector<Bytes> wanted(n);
  std::vector<Spot> spots(n);
  std::vector<espalier_op*> pointers;
  const auto bad = [](std::size_t i) { return i % 7 == 3; };
  for (std::size_t i = 0; i < n; ++i) {
    const Way& way = ways[i % ways.size()];
    given[i] = random_bytes(run.random(), way.sa.length(96));
    wanted[i] = reference.sealed(way.sa, given[i], 0);
    if (way.direction == ESPALIER_INBOUND) {
      std::swap(given[i], wanted[i]);
      wanted[i].erase(wanted[i].end() - way.sa.icv_bytes(), wanted[i].end());
    }
    spots[i] = bench.memory.take(static_cast<std::uint32_t>(given[i].size()));
    std::ranges::copy(given[i], spots[i].data);
    ops[i] = make_op(way.session, way.sa, spots[i]);
    if (bad(i)) --ops[i].length;
    pointers.push_back(&ops[i]);
  }
  run.at("a burst of packets of all SAs");
  bench.lane.complete(pointers);
  for (std::size_t i = 0; i < n; ++i) {
    if (bad(i)) continue;
    const Way& way = ways[i % ways.size()];
    const auto right = [&](std::uint16_t status) {
      return status == ESPALIER_OP_DONE &&
             std::equal(wanted[i].begin(), wanted[i].end(), spots[i].data);
    };
    if (right(ops[i].status)) continue;
    std::ranges::copy(given[i], spots[i].data);
    auto alone = make_op(way.session, way.sa, spots[i]);
    if (!right(bench.lane.complete(alone))) continue;  // the other cases say so
    run.fail(Req::apart,
             fmt::format("packet {} of a burst over {} sessions, {} of {}: wrong ({}), but right "
                         "when it is alone",
                         i, ways.size(), way.direction == ESPALIER_OUTBOUND ? "sealing" : "opening",
                         way.sa.name(), op_status_name(ops[i].status)));
  }
  for (const Way& way : ways) bench.device.close(way.session);
}

}  // namespace

std::vector<Case> verdict_cases() {
  return {
      {"verdicts",
       "Packets with any byte changed, and what is left of them.",
       Scope::capability,
       false,
       {Req::spoilt, Req::no_plaintext},
       verdicts},
      {"malformed-ops",
       "Ops that are no packets.",
       Scope::capability,
       false,
       {Req::malformed_op},
       malformed_ops},
      {"limits",
       "The longest packet, and one that is longer.",
       Scope::capability,
       false,
       {Req::max_length},
       limits},
      {"apart",
       "One burst of everything.",
       Scope::device,
       false,
       {Req::apart, Req::status_set},
       apart},
  };
}

}  // namespace espalier::conform
