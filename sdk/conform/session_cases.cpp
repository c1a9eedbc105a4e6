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

constexpr std::size_t kMostKey = 256;
// What is longer than it should be is read by a device that believes it: it has to be there.
constexpr std::array<std::uint8_t, kMostKey> kLongKey{};

// A key or salt of so many bytes more, where there is one.
template <espalier_bytes espalier_session_params::* Member, std::uint64_t More>
void longer(espalier_session_params& p) {
  espalier_bytes& bytes = p.*Member;
  if (bytes.size != 0 && bytes.size + More <= kMostKey)
    bytes = {kLongKey.data(), bytes.size + More};
}

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
    {"a key that is one byte too long", longer<&espalier_session_params::cipher_key, 1>},
    {"a key that is 32 bytes too long", longer<&espalier_session_params::cipher_key, 32>},
    {"a salt that is one byte too long", longer<&espalier_session_params::salt, 1>},
    {"an ESN of 2", [](espalier_session_params& p) { p.esn = 2; }},
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

// What becomes of a packet.
Bytes passed(Bench& bench, const Sa& sa, std::uint64_t session, const Bytes& given) {
  bench.memory.reset();
  const Spot spot = bench.memory.take(static_cast<std::uint32_t>(given.size()));
  std::ranges::copy(given, spot.data);
  auto op = make_op(session, sa, spot);
  bench.lane.complete(op);
  return Bytes(spot.data, spot.data + spot.size);
}

void keys_copied(Run& run) {
  Bench bench(run);
  Reference reference(run);
  for (const Sa& sa : bench.device.sas(run.random(), run.job().capability)) {
    for (const auto direction : kDirections) {
      if (!bench.device.does(*sa.info, direction, sa.esn)) continue;
      run.at("overwriting the keys of " + sa.name());
      Sa own = sa;
      Bytes given = random_bytes(run.random(), sa.length(64));
      if (direction == ESPALIER_INBOUND) given = reference.sealed(sa, std::move(given), 0);
      const auto session = bench.device.open(own, direction);
      const Bytes first = passed(bench, sa, session, given);
      for (Bytes* key : {&own.key, &own.salt, &own.integrity_key})
        std::ranges::fill(*key, std::uint8_t{0xdd});
      if (passed(bench, sa, session, given) != first)
        run.fail(Req::keys_copied,
                 fmt::format("an {} session of {} gives something else once the host has wiped the "
                             "keys that it was opened with",
                             word(direction), sa.name()));
      bench.device.close(session);
    }
  }
}

// One session after the other is closed, the oldest, the newest and one between in turn; what the
// others make of a packet must stay as it was.
void others_stay(Run& run) {
  Bench bench(run);
  struct Open {
    Sa sa;
    std::uint64_t session;
    Bytes given;
    Bytes first;
  };
  Reference reference(run);
  std::vector<Open> open;
  for (const auto direction : kDirections) {
    const auto room =
        std::min<std::uint64_t>(capacity_of(bench.device.info(), PoolKind::sas, direction), 8);
    const auto sas = bench.device.sas(run.random(), "");
    for (std::size_t i = 0, n = 0; n < room && i < 8 * sas.size(); ++i) {
      const Sa& like = sas[i % sas.size()];
      if (!bench.device.does(*like.info, direction, like.esn)) continue;
      Sa sa = random_sa(run.random(), *like.info, like.esn);
      const auto answer = bench.device.try_open(sa, direction);
      if (answer.status != ESPALIER_OK) break;  // the pools are another case's
      Bytes given = random_bytes(run.random(), sa.length(64));
      if (direction == ESPALIER_INBOUND) given = reference.sealed(sa, std::move(given), 0);
      Bytes first = passed(bench, sa, answer.session, given);
      open.push_back({std::move(sa), answer.session, std::move(given), std::move(first)});
      ++n;
    }
  }
  if (open.size() < 2) {
    for (const Open& each : open) bench.device.close(each.session);
    return run.not_applicable(Req::others_stay, "it has room for one session");
  }
  for (std::size_t turn = 0; !open.empty(); ++turn) {
    const std::size_t at = std::array{std::size_t{0}, open.size() - 1, open.size() / 2}[turn % 3];
    run.at("closing one of several sessions");
    bench.device.close(open[at].session);
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
    for (const Open& each : open)
      if (passed(bench, each.sa, each.session, each.given) != each.first)
        run.fail(Req::others_stay, fmt::format("a session of {} gives something else once another "
                                               "session was closed",
                                               each.sa.name()));
  }
}

// What is refused takes nothing from the sessions that are open.
void beside_open_sessions(Run& run, Bench& bench, const Sa& sa, std::uint32_t direction,
                          const std::vector<espalier_session_params>& wrong) {
  run.at("refusing sessions while others are open");
  std::vector<std::uint64_t> open;
  for (int i = 0; i < 4; ++i)
    if (const auto answer = bench.device.try_open(sa, direction); answer.status == ESPALIER_OK)
      open.push_back(answer.session);
  const auto before = bench.backend.device(run.job().device);
  for (const espalier_session_params& params : wrong)
    if (const auto answer = bench.device.try_open(params); answer.status == ESPALIER_OK)
      bench.device.close(answer.session);  // another case tells that
  const auto after = bench.backend.device(run.job().device);
  for (const CapacityPool& pool : before.pools)
    for (const CapacityPool& later : after.pools)
      if (pool.name == later.name && pool.kind == PoolKind::sas && pool.use == PoolUse::live &&
          later.used != pool.used)
        run.fail(Req::slots_counted,
                 fmt::format("with {} sessions open, pool '{}' said that {} are used; after {} "
                             "refusals it says {}",
                             open.size(), pool.name, pool.used, wrong.size(), later.used));
  for (; !open.empty(); open.pop_back()) bench.device.close(open.back());
}

// Everything that must be refused, many times: nothing of it may stay.
void refusals(Run& run) {
  Bench bench(run);
  const auto sas = bench.device.sas(run.random(), "");
  const Sa& sa = sas.at(0);
  const auto direction =
      bench.device.does(*sa.info, ESPALIER_OUTBOUND, sa.esn) ? ESPALIER_OUTBOUND : ESPALIER_INBOUND;
  std::vector<espalier_session_params> wrong;
  for (const Spoilt& spoilt : kSpoilt) {
    const auto good = sa.params(direction);
    auto params = good;
    spoilt.spoil(params);
    if (differs(params, good)) wrong.push_back(params);
  }
  const auto refuse = [&](std::uint32_t times) {
    for (std::uint32_t i = 0; i < times; ++i)
      if (const auto answer = bench.device.try_open(wrong[i % wrong.size()]);
          answer.status == ESPALIER_OK)
        bench.device.close(answer.session);  // another case tells that
  };
  const std::uint32_t times = run.budget().sessions;
  run.at("refusing sessions, to warm up");
  refuse(times);
  const auto before = MemoryUse::now();
  run.at("refusing sessions");
  refuse(times);
  if (const auto grown = MemoryUse::now().growth_over(before, times); !grown.empty())
    run.fail(Req::churn, fmt::format("after {} sessions were refused, {}", times, grown));
  if (const auto held = bench.backend.host().secrets_held(); held != 0)
    run.fail(Req::secrets, fmt::format("{} pieces of secret memory are not given back after "
                                       "refusals, with no session open",
                                       held));
  if (std::ranges::none_of(bench.device.info().pools, [](const CapacityPool& pool) {
        return pool.kind == PoolKind::sas && pool.use == PoolUse::live;
      }))
    run.not_applicable(Req::slots_counted, "it declares no LIVE pool of SAs");
  const auto now = bench.backend.device(run.job().device);
  for (const CapacityPool& pool : bench.device.info().pools)
    for (const CapacityPool& later : now.pools)
      if (pool.name == later.name && pool.kind == PoolKind::sas && pool.use == PoolUse::live &&
          later.used > pool.used)
        run.fail(Req::slots_counted,
                 fmt::format("pool '{}' says that {} are used after refusals, with no session open",
                             pool.name, later.used));
  beside_open_sessions(run, bench, sa, direction, wrong);
  run.at("opening a session after refusals");
  bench.device.close(bench.device.open(sa, direction, Req::declared, Req::slots_freed));
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
  for (const Sa& sa : bench.device.sas(run.random(), "")) {
    run.at("without secret memory: " + sa.name());
    const auto direction = bench.device.does(*sa.info, ESPALIER_OUTBOUND, sa.esn)
                               ? ESPALIER_OUTBOUND
                               : ESPALIER_INBOUND;
    if (const auto with = bench.device.try_open(sa, direction); with.status != ESPALIER_OK)
      continue;  // what is refused anyhow is another case's
    else
      bench.device.close(with.session);
    host.exhaust_secrets(true);
    const auto answer = bench.device.try_open(sa, direction);
    host.exhaust_secrets(false);
    if (answer.status == ESPALIER_OK) {
      const Bytes clear(sa.length(32));
      passed(bench, sa, answer.session, clear);
      bench.device.close(answer.session);
    } else if (answer.status != ESPALIER_CAPACITY) {
      run.fail(Req::no_secret_memory,
               fmt::format("without secret memory, {} is answered {}: {}", sa.name(),
                           status_name(answer.status), answer.words));
    }
  }
  if (host.secrets_given() == 0)
    run.not_applicable(Req::no_secret_memory, "it never asks the host for secret memory");
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
      {"others-stay",
       "Sessions that stay open while others are closed.",
       Scope::device,
       false,
       {Req::others_stay},
       others_stay},
      {"refusals",
       "Refusals, many times, without leaving anything.",
       Scope::device,
       false,
       {Req::churn, Req::secrets, Req::slots_counted, Req::slots_freed},
       refusals},
      {"no-secret-memory",
       "Without secret memory sessions are refused.",
       Scope::device,
       false,
       {Req::no_secret_memory},
       no_secret_memory},
  };
}

}  // namespace espalier::conform
