// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/vectors.hpp>

#include <algorithm>
#include <cstring>

namespace espalier::conform {
namespace {

// Through the device, in place or not; what came out, or the status if it was not DONE.
struct Outcome {
  std::uint16_t status;
  Bytes packet;
};

Outcome through(Bench& bench, const KnownPacket& known, std::uint64_t session, const Bytes& given,
                bool in_place) {
  bench.memory.reset();
  const auto length = static_cast<std::uint32_t>(given.size());
  const Spot source = bench.memory.take(length);
  const Spot target = in_place ? source : bench.memory.take(length);
  std::memcpy(source.data, given.data(), given.size());
  auto op = make_op(session, known.sa, source, in_place ? nullptr : &target, known.seq_hi);
  const auto status = bench.lane.complete(op);
  return {status, Bytes(target.data, target.data + length)};
}

// Whether one of the ways gives it; that both do is the differential cases' question.
void expect(Run& run, Bench& bench, const KnownPacket& known, std::uint32_t direction,
            std::uint64_t session) {
  const bool seals = direction == ESPALIER_OUTBOUND;
  Bytes given = seals ? known.clear : known.sealed;
  if (seals) given.resize(known.clear.size() + known.sa.icv_bytes());
  const Bytes& wanted = seals ? known.sealed : known.clear;
  Outcome outcome{};
  for (const bool in_place : {true, false}) {
    outcome = through(bench, known, session, given, in_place);
    if (outcome.status == ESPALIER_OP_DONE &&
        std::equal(wanted.begin(), wanted.end(), outcome.packet.begin()))
      return;
  }
  const auto differs =
      std::mismatch(wanted.begin(), wanted.end(), outcome.packet.begin()).first - wanted.begin();
  run.fail(Req::vectors,
           fmt::format("{} of {} ({}): status {}, and byte {} of {} is {:02x} instead of {:02x}",
                       seals ? "sealing" : "opening", known.sa.name(), known.source,
                       op_status_name(outcome.status), differs, wanted.size(),
                       outcome.packet[static_cast<std::size_t>(differs) % wanted.size()],
                       wanted[static_cast<std::size_t>(differs) % wanted.size()]));
}

void vectors(Run& run) {
  Bench bench(run);
  const auto capabilities = bench.device.capabilities(run.job().capability);
  std::size_t tried = 0;
  for (const KnownPacket& known : known_packets()) {
    const TransformInfo& transform = *known.sa.info;
    if (std::ranges::none_of(capabilities, [&](const auto& c) { return covers(c, transform); }))
      continue;
    for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND}) {
      if (!bench.device.does(transform, direction, known.sa.esn)) continue;
      if (!known.has_icv && direction == ESPALIER_INBOUND) continue;
      run.at(fmt::format("{} of {}", known.source, known.sa.name()));
      const auto answer = bench.device.try_open(known.sa, direction);
      // Published HMAC keys have lengths that those of ESP do not have (RFC 4868 2.1.1).
      if (answer.status != ESPALIER_OK &&
          known.sa.integrity_key.size() != transform.integrity_key_bytes)
        continue;
      if (answer.status != ESPALIER_OK)
        run.stop(Req::declared, fmt::format("{} is refused: {}", known.sa.name(), answer.words));
      expect(run, bench, known, direction, answer.session);
      bench.device.close(answer.session);
      ++tried;
    }
  }
  if (tried == 0)
    run.not_applicable(Req::vectors, fmt::format("nothing is published for {} as an ESP packet",
                                                 run.job().capability));
}

}  // namespace

std::vector<Case> vector_cases() {
  return {{"vectors", "Published vectors.", Scope::capability, false, {Req::vectors}, vectors}};
}

}  // namespace espalier::conform
