// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/heap.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace espalier::conform {
namespace {

constexpr std::uint32_t kDirections[] = {ESPALIER_OUTBOUND, ESPALIER_INBOUND};

const char* word(std::uint32_t direction) {
  return direction == ESPALIER_OUTBOUND ? "outbound" : "inbound";
}

void declared(Run& run) {
  Bench bench(run);
  for (const Sa& sa : bench.device.sas(run.random(), run.job().capability)) {
    for (const auto direction : kDirections) {
      if (!bench.device.does(*sa.info, direction, sa.esn)) continue;
      run.at(fmt::format("{} {}", word(direction), sa.name()));
      const auto answer = bench.device.try_open(sa, direction);
      if (answer.status == ESPALIER_OK)
        bench.device.close(answer.session);
      else
        run.fail(Req::declared,
                 fmt::format("{} {} is declared, but refused: {} ({})", word(direction), sa.name(),
                             answer.words, status_name(answer.status)));
    }
  }
}

// Every transform of ESP that the device does not declare.
void undeclared(Run& run) {
  Bench bench(run);
  for (const TransformInfo& transform : transforms()) {
    for (const bool esn : {false, true}) {
      for (const auto direction : kDirections) {
        if (bench.device.does(transform, direction, esn)) continue;
        const Sa sa = random_sa(run.random(), transform, esn);
        run.at(fmt::format("{} {}, which is not declared", word(direction), sa.name()));
        const auto answer = bench.device.try_open(sa, direction);
        if (answer.status == ESPALIER_OK) bench.device.close(answer.session);
        if (answer.status != ESPALIER_UNSUPPORTED)
          run.fail(Req::undeclared,
                   fmt::format("{} {} is not declared, but session_open() answers "
                               "{}",
                               word(direction), sa.name(), status_name(answer.status)));
      }
    }
  }
}

struct Spoilt {
  std::string_view what;
  void (*spoil)(espalier_session_params&);
};

constexpr Spoilt kSpoilt[] = {
    {"a key that is one byte short",
     [](espalier_session_params& p) {
       if (p.cipher_key.size != 0) --p.cipher_key.size;
     }},
    {"no key", [](espalier_session_params& p) { p.cipher_key.size = 0; }},
    {"a salt that is one byte short",
     [](espalier_session_params& p) {
       if (p.salt.size != 0) --p.salt.size;
     }},
    {"no HMAC key", [](espalier_session_params& p) { p.integrity_key.size = 0; }},
    {"an ICV of 10 bytes", [](espalier_session_params& p) { p.icv_bytes = 10; }},
    {"an ICV of 4 bytes", [](espalier_session_params& p) { p.icv_bytes = 4; }},
    {"no direction", [](espalier_session_params& p) { p.direction = 0; }},
    {"cipher 99", [](espalier_session_params& p) { p.cipher = 99; }},
    {"integrity 99", [](espalier_session_params& p) { p.integrity = 99; }},
};

bool differs(const espalier_session_params& a, const espalier_session_params& b) {
  return std::memcmp(&a, &b, sizeof a) != 0;
}

void malformed_params(Run& run) {
  Bench bench(run);
  for (const Sa& sa : bench.device.sas(run.random(), run.job().capability)) {
    for (const auto direction : kDirections) {
      if (!bench.device.does(*sa.info, direction, sa.esn)) continue;
      for (const Spoilt& spoilt : kSpoilt) {
        const auto good = sa.params(direction);
        auto params = good;
        spoilt.spoil(params);
        if (!differs(params, good)) continue;
        run.at(fmt::format("{} with {}", sa.name(), spoilt.what));
        const auto answer = bench.device.try_open(params);
        if (answer.status == ESPALIER_OK) bench.device.close(answer.session);
        if (answer.status != ESPALIER_INVALID && answer.status != ESPALIER_UNSUPPORTED)
          run.fail(Req::malformed_params,
                   fmt::format("a session of {} with {} is answered {}", sa.name(), spoilt.what,
                               status_name(answer.status)));
      }
    }
  }
}

// Refusals into buffers of many sizes, down to none.
void sentence(Run& run) {
  Bench bench(run);
  const auto sas = bench.device.sas(run.random(), "");
  auto params = sas.at(0).params(ESPALIER_OUTBOUND);
  params.cipher_key.size = 5;
  params.cipher = 99;
  for (const std::size_t capacity : {std::size_t{256}, std::size_t{16}, std::size_t{1}}) {
    std::array<char, 512> room;
    room.fill('\x5a');
    room[0] = '\0';
    espalier_message message{room.data(), capacity};
    std::uint64_t session = 0;
    run.at(fmt::format("refusing into a buffer of {} bytes", capacity));
    const auto status =
        bench.device.table().session_open(bench.device.handle(), &params, &session, &message);
    if (status == ESPALIER_OK) return bench.device.close(session);  // malformed_params sees that
    const auto end = std::ranges::find(room, '\0');
    if (std::any_of(room.begin() + capacity, room.end(), [](char c) { return c != '\x5a'; }) ||
        static_cast<std::size_t>(end - room.begin()) >= capacity)
      run.stop(Req::sentence,
               fmt::format("a refusal does not end within the {} bytes of its buffer", capacity));
    if (capacity == 256 && end - room.begin() < 8)
      run.fail(Req::sentence, fmt::format("a refusal ({}) says only '{}'", status_name(status),
                                          std::string(room.begin(), end)));
  }
}

Bytes sealed(Bench& bench, const Sa& sa, std::uint64_t session, const Bytes& clear) {
  bench.memory.reset();
  const Spot spot = bench.memory.take(static_cast<std::uint32_t>(clear.size()));
  std::ranges::copy(clear, spot.data);
  auto op = make_op(session, sa, spot);
  bench.lane.complete(op);
  return Bytes(spot.data, spot.data + spot.size);
}

void keys_copied(Run& run) {
  Bench bench(run);
  for (Sa sa : bench.device.sas(run.random(), run.job().capability)) {
    if (!bench.device.does(*sa.info, ESPALIER_OUTBOUND, sa.esn)) continue;
    run.at("overwriting the keys of " + sa.name());
    const auto session = bench.device.open(sa, ESPALIER_OUTBOUND);
    const Bytes clear = random_bytes(run.random(), sa.length(64));
    const Bytes first = sealed(bench, sa, session, clear);
    for (Bytes* key : {&sa.key, &sa.salt, &sa.integrity_key}) std::ranges::fill(*key, 0xdd);
    if (sealed(bench, sa, session, clear) != first)
      run.fail(Req::keys_copied, fmt::format("a session of {} seals otherwise once the host has "
                                             "wiped the keys that it was opened with",
                                             sa.name()));
    bench.device.close(session);
  }
}

// Opens, uses and closes a session of each variant in turn.
void churn_once(Bench& bench, const std::vector<Sa>& sas, std::uint32_t turn) {
  const Sa& sa = sas[turn % sas.size()];
  const auto direction = bench.device.does(*sa.info, kDirections[turn / sas.size() % 2], sa.esn)
                             ? kDirections[turn / sas.size() % 2]
                             : kDirections[1 - turn / sas.size() % 2];
  const auto session = bench.device.open(sa, direction, Req::declared, Req::slots_freed);
  bench.memory.reset();
  const Spot spot = bench.memory.take(sa.length(64));
  auto op = make_op(session, sa, spot);
  bench.lane.complete(op);
  bench.device.close(session);
}

void churn(Run& run) {
  Bench bench(run);
  const auto sas = bench.device.sas(run.random(), "");
  const std::uint32_t times = run.budget().sessions;
  std::uint32_t turn = 0;
  run.at("opening and closing sessions, to warm up");
  for (; turn < times; ++turn) churn_once(bench, sas, turn);
  const auto before = MemoryUse::now();
  run.at("opening and closing sessions");
  for (; turn < 2 * times; ++turn) churn_once(bench, sas, turn);
  const auto grown = MemoryUse::now().growth_over(before, times);
  if (const auto held = bench.backend.host().secrets_held(); held != 0)
    run.fail(Req::secrets, fmt::format("{} pieces of secret memory are not given back with no "
                                       "session open",
                                       held));
  else if (!grown.empty())
    run.fail(Req::churn, fmt::format("after {} sessions were opened and closed, {}", times, grown));
}

void no_secret_memory(Run& run) {
  Bench bench(run);
  auto& host = bench.backend.host();
  host.exhaust_secrets(true);
  for (const Sa& sa : bench.device.sas(run.random(), "")) {
    run.at("without secret memory: " + sa.name());
    const auto direction = bench.device.does(*sa.info, ESPALIER_OUTBOUND, sa.esn)
                               ? ESPALIER_OUTBOUND
                               : ESPALIER_INBOUND;
    const auto answer = bench.device.try_open(sa, direction);
    if (answer.status == ESPALIER_OK) {
      const Bytes clear(sa.length(32));
      sealed(bench, sa, answer.session, clear);
      bench.device.close(answer.session);
    } else if (answer.status != ESPALIER_CAPACITY && answer.status != ESPALIER_UNSUPPORTED) {
      run.fail(Req::no_secret_memory,
               fmt::format("without secret memory, {} is answered {}: {}", sa.name(),
                           status_name(answer.status), answer.words));
    }
  }
}

}  // namespace

std::vector<Case> session_cases() {
  return {
      {"declared", "What is declared opens.", Scope::capability, false, {Req::declared}, declared},
      {"undeclared",
       "What is not declared is refused.",
       Scope::device,
       false,
       {Req::undeclared},
       undeclared},
      {"malformed-session",
       "Wrong lengths of keys, salts and ICVs are refused.",
       Scope::capability,
       false,
       {Req::malformed_params},
       malformed_params},
      {"sentence", "A refusal says why.", Scope::device, false, {Req::sentence}, sentence},
      {"keys-copied",
       "The keys may be wiped once a session is open.",
       Scope::capability,
       false,
       {Req::keys_copied},
       keys_copied},
      {"churn",
       "Sessions come and go without leaving anything.",
       Scope::device,
       false,
       {Req::churn, Req::secrets, Req::slots_freed},
       churn},
      {"no-secret-memory",
       "Without secret memory sessions are refused.",
       Scope::device,
       false,
       {Req::no_secret_memory},
       no_secret_memory},
  };
}

}  // namespace espalier::conform
