// SPDX-License-Identifier: Apache-2.0
//
// What must hold for any inventory, policy and SA: random ones, the same in every run.
#include <unit/select/fixture.hpp>

#include <algorithm>
#include <random>
#include <set>

namespace espalier {
namespace {

using namespace test;

constexpr int kRounds = 1200;

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  // Mostly everything, so that some candidates fit.
  std::uint32_t bits(std::uint32_t all) {
    return one_in(6) ? static_cast<std::uint32_t>(random_()) & all : all;
  }

  template <class T>
  void shuffle(std::vector<T>& values) {
    std::ranges::shuffle(values, random_);
  }

  SaSpec sa() {
    SaSpec sa = an_sa();
    sa.name = one_in(2) ? "a" : "b";
    sa.direction = one_in(2) ? Direction::inbound : Direction::outbound;
    const char* const names[] = {"aes256gcm16", "aes128gcm16", "aes256gcm8",
                                 "aes128-sha1", "3des-sha1",   "chacha20poly1305"};
    sa.transform = transform(names[below(std::size(names))]);
    sa.mode = one_in(3) ? Mode::transport : Mode::tunnel;
    sa.encapsulation = one_in(3) ? Encapsulation::none : Encapsulation::udp;
    sa.esn = !one_in(3);
    sa.replay_window = one_in(2) ? 64 : 1024;
    if (one_in(3)) sa.peer.address = *IpAddress::parse("2001:db8::2");
    sa.interface = one_in(2) ? "eth0" : "";
    return sa;
  }

  Inventory inventory() {
    Inventory inventory;
    inventory.dataplane = one_in(4) ? Dataplane::kernel : Dataplane::userspace;
    for (const char* const name : {"aesni", "card", "openssl", "qat", "nic"})
      if (!one_in(5)) inventory.backends.push_back(backend(name));
    for (std::uint64_t i = below(4); i > 0; --i) inventory.refusals.push_back(refusal());
    for (std::uint64_t i = below(4); i > 0; --i) inventory.load.push_back({name(), below(12)});
    return inventory;
  }

  Policy policy() {
    Policy policy = a_policy(names(), static_cast<Fallback>(below(3)));
    for (std::uint64_t i = below(3); i > 0; --i) {
      Rule rule{"rule " + std::to_string(i), {}, names(), static_cast<Fallback>(below(3))};
      if (one_in(2)) rule.match.direction = Direction::inbound;
      if (one_in(2)) rule.match.transforms = {transform("aes256gcm16")};
      policy.rules.push_back(rule);
    }
    for (std::uint64_t i = below(3); i > 0; --i) policy.limits.push_back({name(), below(20)});
    if (one_in(3)) policy.excluded = {name()};
    return policy;
  }

 private:
  std::string name() {
    const char* const all[] = {"aesni", "card", "openssl", "qat", "nic", "gone"};
    return all[below(std::size(all))];
  }

  std::vector<std::string> names() {
    std::vector<std::string> result;
    for (std::uint64_t i = below(5); i > 0; --i) result.push_back(name());
    return result;
  }

  BackendInfo backend(std::string backend_name) {
    BackendInfo backend;
    backend.name = std::move(backend_name);
    if (one_in(8)) backend.rejected = "set aside";
    for (const char* const device_name : {"d0", "d1", "d2"})
      if (!one_in(2)) backend.devices.push_back(device(device_name));
    return backend;
  }

  Device device(std::string device_name) {
    Device device;
    device.name = std::move(device_name);
    device.dataplane = one_in(6) ? Dataplane::kernel : Dataplane::userspace;
    device.interface = one_in(6) ? "eth1" : "";
    if (one_in(5)) device.state = static_cast<DeviceState>(1 + below(5));
    for (std::uint64_t i = below(5); i > 0; --i) device.capabilities.push_back(capability());
    for (std::uint64_t i = below(3); i > 0; --i) device.pools.push_back(pool());
    return device;
  }

  Capability capability() {
    Capability able = all_gcm(static_cast<std::uint32_t>(100 * below(4)));
    const Transform known = transform(one_in(2)   ? "aes256gcm16"
                                      : one_in(2) ? "aes128-sha1"
                                      : one_in(2) ? "3des-sha1"
                                                  : "chacha20poly1305");
    able.cipher = known.cipher;
    able.integrity = known.integrity;
    able.key_bits = bits(15);
    able.icv_bytes = bits(0x1ff);
    able.directions = bits(3);
    able.modes = bits(3);
    able.encapsulations = bits(3);
    able.families = bits(3);
    able.esn = bits(3);
    able.max_replay_window = one_in(4) ? 64 : 0;
    return able;
  }

  CapacityPool pool() {
    const std::uint64_t capacity = one_in(3) ? kUnlimited : below(5);
    return {one_in(2) ? "p" : "q",
            static_cast<PoolKind>(1 + below(3)),
            static_cast<std::uint32_t>(below(4)),
            static_cast<PoolUse>(1 + below(3)),
            capacity,
            below(5)};
  }

  Refusal refusal() {
    const char* const devices[] = {"d0", "d1", "d2"};
    const char* const sas[] = {"", "a", "b"};
    return {name(), devices[below(3)], sas[below(3)], static_cast<ErrorCode>(below(6)),
            one_in(2) ? "no" : "never"};
  }

  std::mt19937_64 random_;
};

// ---- What support means, said a second time and plainly ----------------------------------------

bool set_has(std::uint32_t set, unsigned value) { return (set & value) == value; }

bool key_fits(std::uint32_t set, const Transform& wanted) {
  if (wanted.cipher == Cipher::chacha20_poly1305)
    return set_has(set, ESPALIER_KEY_ANY) || set_has(set, ESPALIER_KEY_256);
  if (wanted.cipher == Cipher::des3_cbc)
    return set_has(set, ESPALIER_KEY_ANY) || set_has(set, ESPALIER_KEY_192);
  return wanted.key_bits == 256 ? set_has(set, ESPALIER_KEY_256) : set_has(set, ESPALIER_KEY_128);
}

bool can(const Capability& able, const SaSpec& sa) {
  const unsigned family = sa.peer.address.family == Family::ipv4 ? 1 : 2;
  const bool window = sa.direction == Direction::outbound || able.max_replay_window == 0 ||
                      able.max_replay_window >= sa.replay_window;
  return able.cipher == sa.transform.cipher && able.integrity == sa.transform.integrity &&
         key_fits(able.key_bits, sa.transform) &&
         set_has(able.icv_bytes, 1U << (sa.transform.icv_bytes / 4)) &&
         set_has(able.directions, static_cast<unsigned>(sa.direction)) &&
         set_has(able.modes, static_cast<unsigned>(sa.mode)) &&
         set_has(able.encapsulations, static_cast<unsigned>(sa.encapsulation)) &&
         set_has(able.families, family) && set_has(able.esn, sa.esn ? 2 : 1) && window;
}

bool has_room(const Device& device, const SaSpec& sa) {
  return std::ranges::none_of(device.pools, [&](const CapacityPool& pool) {
    const bool known = pool.kind == PoolKind::sas    ? pool.use != PoolUse::unknown
                       : pool.kind == PoolKind::mbps ? pool.use == PoolUse::live
                                                     : false;
    const bool applies = known && set_has(pool.directions, static_cast<unsigned>(sa.direction));
    return applies && pool.capacity != kUnlimited && pool.used >= pool.capacity;
  });
}

bool within_limits(const std::string& backend, const Inventory& inventory, const Policy& policy) {
  std::uint64_t sas = 0;
  for (const BackendLoad& load : inventory.load) sas += load.backend == backend ? load.sas : 0;
  return std::ranges::none_of(policy.limits, [&](const BackendLimit& limit) {
    return limit.backend == backend && sas >= limit.max_sas;
  });
}

bool takes(const SaSpec& sa, const Inventory& inventory, const Policy& policy,
           const std::string& backend_name, const std::string& device_name) {
  for (const BackendInfo& backend : inventory.backends)
    for (const Device& device : backend.devices) {
      if (backend.name != backend_name || device.name != device_name) continue;
      const bool refused = std::ranges::any_of(inventory.refusals, [&](const Refusal& refusal) {
        return refusal.backend == backend_name && refusal.device == device_name &&
               (refusal.sa.empty() || refusal.sa == sa.name);
      });
      const bool usable =
          (device.state == DeviceState::up || device.state == DeviceState::degraded) &&
          device.dataplane == inventory.dataplane &&
          (device.interface.empty() || sa.interface.empty() || device.interface == sa.interface);
      const bool able = std::ranges::any_of(device.capabilities,
                                            [&](const Capability& item) { return can(item, sa); });
      return usable && able && !refused && backend.rejected.empty() && has_room(device, sa) &&
             within_limits(backend_name, inventory, policy) &&
             std::ranges::find(policy.excluded, backend_name) == policy.excluded.end();
    }
  return false;
}

TEST(SelectProperty, TheOrderOfTheInventoryDoesNotMatter) {
  Maker maker(1);
  for (int round = 0; round < kRounds; ++round) {
    const SaSpec sa = maker.sa();
    const Policy policy = maker.policy();
    Inventory inventory = maker.inventory();
    const std::string before = to_json(select(sa, inventory, policy));
    maker.shuffle(inventory.backends);
    maker.shuffle(inventory.refusals);
    maker.shuffle(inventory.load);
    for (BackendInfo& backend : inventory.backends) {
      maker.shuffle(backend.devices);
      for (Device& device : backend.devices) {
        maker.shuffle(device.capabilities);
        maker.shuffle(device.pools);
      }
    }
    ASSERT_EQ(to_json(select(sa, inventory, policy)), before) << "round " << round;
  }
}

TEST(SelectProperty, TheSameInputsGiveTheSameBytes) {
  Maker first(2), second(2);
  for (int round = 0; round < 500; ++round) {
    const SaSpec sa = first.sa(), same_sa = second.sa();
    const Policy policy = first.policy(), same_policy = second.policy();
    const Inventory inventory = first.inventory();
    const auto saved = inventory_from_json(to_json(second.inventory()));
    ASSERT_TRUE(saved);
    ASSERT_EQ(to_json(select(sa, inventory, policy)), to_json(select(same_sa, *saved, same_policy)))
        << "a saved inventory decides as the live one did, round " << round;
  }
}

TEST(SelectProperty, TheChosenIsTheFirstThatCanTakeTheSa) {
  Maker maker(3);
  int chosen = 0, none = 0;
  for (int round = 0; round < kRounds; ++round) {
    const SaSpec sa = maker.sa();
    const Policy policy = maker.policy();
    const Inventory inventory = maker.inventory();
    const Decision decision = select(sa, inventory, policy);
    std::optional<std::uint32_t> expected;
    for (std::uint32_t i = 0; i < decision.candidates.size(); ++i) {
      const Candidate& candidate = decision.candidates[i];
      const bool able = takes(sa, inventory, policy, candidate.backend, candidate.device);
      if (able && !expected) expected = i;
      const bool said =
          candidate.reason == Reason::chosen || candidate.reason == Reason::not_needed;
      ASSERT_EQ(said, able) << "round " << round << "\n" << to_text(decision);
      ASSERT_EQ(candidate.reason == Reason::chosen, decision.chosen == i);
    }
    ASSERT_EQ(decision.chosen, expected) << "round " << round << "\n" << to_text(decision);
    ++(decision.chosen ? chosen : none);
  }
  EXPECT_GT(chosen, kRounds / 10) << "the random worlds hardly ever fit";
  EXPECT_GT(none, kRounds / 10) << "the random worlds nearly always fit";
}

TEST(SelectProperty, EveryDeviceThatMayBeUsedIsListedOnce) {
  Maker maker(4);
  for (int round = 0; round < kRounds; ++round) {
    const SaSpec sa = maker.sa();
    const Policy policy = maker.policy();
    const Inventory inventory = maker.inventory();
    const Decision decision = select(sa, inventory, policy);

    const auto rule = std::ranges::find_if(
        policy.rules, [&](const Rule& item) { return item.match.matches(sa); });
    const auto& list = rule == policy.rules.end() ? policy.backends : rule->backends;
    std::set<std::string> wanted(list.begin(), list.end());
    if (decision.fallback == Fallback::software)
      wanted.insert(inventory.dataplane == Dataplane::kernel ? "kernel" : "openssl");
    if (decision.fallback == Fallback::next)
      for (const BackendInfo& backend : inventory.backends)
        if (std::ranges::find(policy.backends, backend.name) != policy.backends.end() ||
            !backend.rejected.empty() ||
            std::ranges::any_of(backend.devices, [&](const Device& device) {
              return device.dataplane == inventory.dataplane;
            }))
          wanted.insert(backend.name);

    std::multiset<std::string> expected, got;
    for (const std::string& name : wanted) {
      const auto found = std::ranges::find(inventory.backends, name, &BackendInfo::name);
      const bool devices = found != inventory.backends.end() && found->rejected.empty() &&
                           !found->devices.empty() &&
                           std::ranges::find(policy.excluded, name) == policy.excluded.end();
      if (!devices)
        expected.insert(name + "/");
      else
        for (const Device& device : found->devices) expected.insert(name + "/" + device.name);
    }
    for (const Candidate& candidate : decision.candidates)
      got.insert(candidate.backend + "/" + candidate.device);
    ASSERT_EQ(got, expected) << "round " << round;
  }
}

TEST(SelectProperty, CandidatesComeInThePolicysOrderThenByScoreThenByName) {
  Maker maker(5);
  for (int round = 0; round < kRounds; ++round) {
    const Policy policy = maker.policy();
    const Decision decision = select(maker.sa(), maker.inventory(), policy);
    const auto position = [&](const Candidate& candidate) {
      const auto found = std::ranges::find(policy.backends, candidate.backend);
      const auto place = candidate.order != 0
                             ? candidate.order
                             : 1000U + static_cast<unsigned>(found - policy.backends.begin());
      return std::tuple(
          decision.fallback == Fallback::software && candidate.order == 0 ? 1000U : place,
          1000U - candidate.score, candidate.backend, candidate.device);
    };
    for (std::size_t i = 1; i < decision.candidates.size(); ++i)
      ASSERT_LE(position(decision.candidates[i - 1]), position(decision.candidates[i]))
          << "round " << round << "\n"
          << to_text(decision);
  }
}

}  // namespace
}  // namespace espalier
