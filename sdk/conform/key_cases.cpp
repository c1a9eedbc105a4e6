// SPDX-License-Identifier: Apache-2.0
//
// What is left of the keys in this process's memory once their sessions are closed.
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/memory_search.hpp>

#include <cstring>

namespace espalier::conform {
namespace {

bool is_aes(Cipher cipher) {
  return cipher == Cipher::aes_cbc || cipher == Cipher::aes_ctr || cipher == Cipher::aes_gcm ||
         cipher == Cipher::aes_gmac;
}

void wipe_bytes(Bytes& bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

void remember(MemorySearch& search, const Sa& sa) {
  const std::string name(sa.info->name);
  if (is_aes(sa.info->transform.cipher))
    search.add_aes_key(sa.key, name);
  else
    search.add(sa.key, fmt::format("the key of {}", name));
  const Cipher cipher = sa.info->transform.cipher;
  if (cipher == Cipher::aes_gcm || cipher == Cipher::aes_gmac) search.add_ghash_key(sa.key, name);
  search.add_hmac_key(sa.info->transform.integrity, sa.integrity_key, name);
}

// A session with a key of its own, one packet, and all copies of the key that are the kit's wiped.
[[gnu::noinline]] void live_and_die(Run& run, Bench& bench, MemorySearch& search,
                                    const TransformInfo& transform, std::uint32_t direction,
                                    bool esn) {
  Sa sa = random_sa(run.random(), transform, esn);
  remember(search, sa);
  const auto session = bench.device.open(sa, direction);
  for (Bytes* key : {&sa.key, &sa.integrity_key}) wipe_bytes(*key);
  bench.memory.reset();
  const Spot spot = bench.memory.take(sa.length(128));
  std::memset(spot.data, 0x44, spot.size);
  auto op = make_op(session, sa, spot);
  bench.lane.complete(op);
  bench.device.close(session);
}

// That the search finds what is there, before what it does not find is believed.
void prove_search() {
  Bytes canary(32);
  for (std::size_t i = 0; i < canary.size(); ++i) canary[i] = static_cast<std::uint8_t>(17 * i + 5);
  MemorySearch search;
  search.add(canary, "a canary");
  if (search.run().empty()) throw KitError("the search of memory does not find what is there");
}

// What the kit's own calls, which had the keys in hand, have left below this frame.
[[gnu::noinline]] void clear_dead_stack() {
  std::uint8_t dead[64U << 10];
  explicit_bzero(dead, sizeof dead);
}

void keys_gone(Run& run) {
  prove_search();
  Bench bench(run);
  MemorySearch search;
  for (const Capability& capability : bench.device.capabilities(run.job().capability))
    for (const TransformInfo* transform : variants(capability))
      for (const std::uint32_t direction : {ESPALIER_OUTBOUND, ESPALIER_INBOUND})
        if ((capability.directions & direction) != 0) {
          run.at(fmt::format("a session of {}", transform->name));
          live_and_die(run, bench, search, *transform, direction, !covers_esn(capability, false));
        }
  if (search.secrets() == 0)
    return run.not_applicable(Req::keys_gone, "its keys are too short to be told from chance");
  clear_dead_stack();
  run.at("searching the process's memory");
  const auto found = search.run();
  if (!found.empty())
    run.fail(Req::keys_gone, fmt::format("of {} secrets {} are left after their sessions were "
                                         "closed: {}",
                                         search.secrets(), found.size(), found.front()));
}

}  // namespace

std::vector<Case> key_cases() {
  return {{"keys",
           "Keys and key schedules after their sessions.",
           Scope::capability,
           false,
           {Req::keys_gone},
           keys_gone}};
}

}  // namespace espalier::conform
