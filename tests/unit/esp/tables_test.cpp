// SPDX-License-Identifier: Apache-2.0
#include "esp/policy_table.hpp"
#include "esp/spi_table.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <array>
#include <bit>
#include <deque>
#include <random>
#include <unordered_map>

namespace espalier::esp {
namespace {

IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }
IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }

using Words = std::array<std::uint64_t, 2>;

FlowKey flow(std::string_view source, std::string_view destination, std::uint8_t protocol = 6,
             std::uint16_t source_port = 1000, std::uint16_t destination_port = 80) {
  const IpAddress from = address(source), to = address(destination);
  return {
      std::bit_cast<Words>(from.bytes), std::bit_cast<Words>(to.bytes),
      FlowKey::pack(from.family, protocol, std::uint32_t{source_port} << 16 | destination_port)};
}

class PolicyTableTest : public testing::Test {
 protected:
  OutboundSa& sa(std::vector<TrafficSelector> selectors) {
    SaSpec spec;
    spec.name = "sa" + std::to_string(sas_.size());
    spec.selectors = std::move(selectors);
    return sas_.emplace_back(spec, EspLayout{}, 0);
  }
  OutboundSa& added(std::string_view source, std::string_view destination) {
    OutboundSa& made = sa({TrafficSelector{prefix(source), prefix(destination)}});
    table_.add(made);
    return made;
  }
  PolicyTable table_;
  std::deque<OutboundSa> sas_;
};

TEST_F(PolicyTableTest, FindsNothingWhereNothingProtects) {
  added("10.1.0.0/16", "10.2.0.0/16");
  EXPECT_EQ(table_.find(flow("10.1.0.1", "10.3.0.1")), nullptr);
  EXPECT_EQ(table_.find(flow("fd00::1", "fd00::2")), nullptr);
}

TEST_F(PolicyTableTest, MatchesByBothAddresses) {
  OutboundSa& four = added("10.1.0.0/16", "10.2.0.0/16");
  OutboundSa& six = added("fd00:1::/64", "fd00:2::/64");
  EXPECT_EQ(table_.find(flow("10.1.9.9", "10.2.0.1")), &four);
  EXPECT_EQ(table_.find(flow("fd00:1::5", "fd00:2::7")), &six);
  EXPECT_EQ(table_.find(flow("10.9.0.1", "10.2.0.1")), nullptr);
}

TEST_F(PolicyTableTest, TheMostSpecificDestinationWins) {
  OutboundSa& all = added("0.0.0.0/0", "0.0.0.0/0");
  OutboundSa& host = added("0.0.0.0/0", "10.2.0.7/32");
  OutboundSa& net = added("0.0.0.0/0", "10.2.0.0/16");
  EXPECT_EQ(table_.find(flow("10.1.0.1", "10.2.0.7")), &host);
  EXPECT_EQ(table_.find(flow("10.1.0.1", "10.2.0.8")), &net);
  EXPECT_EQ(table_.find(flow("10.1.0.1", "8.8.8.8")), &all);
}

TEST_F(PolicyTableTest, TheNewestOfEqualSelectorsCarriesTheTraffic) {
  OutboundSa& old_sa = added("10.1.0.0/16", "10.2.0.0/16");
  const FlowKey key = flow("10.1.0.1", "10.2.0.1");
  EXPECT_EQ(table_.find(key), &old_sa);
  OutboundSa& rekeyed = added("10.1.0.0/16", "10.2.0.0/16");
  EXPECT_EQ(table_.find(key), &rekeyed) << "the flow cache kept the old SA";
  table_.remove(rekeyed);
  EXPECT_EQ(table_.find(key), &old_sa);
  table_.remove(old_sa);
  EXPECT_EQ(table_.find(key), nullptr);
}

// To the last bit, of hosts too.
TEST(SelectorMatch, LooksAtEveryBitOfItsPrefixesAndAtNoOther) {
  for (const char* zeroes : {"0.0.0.0", "::"}) {
    const IpAddress none = address(zeroes);
    const unsigned bits = none.family == Family::ipv4 ? 32 : 128;
    for (unsigned length = 0; length <= bits; ++length) {
      const IpPrefix one{none, static_cast<std::uint8_t>(length)};
      const SelectorMatch match(TrafficSelector{one, one});
      for (unsigned bit = 0; bit < bits; ++bit) {
        IpAddress other = none;
        other.bytes[bit / 8] = static_cast<std::uint8_t>(0x80u >> bit % 8);
        const auto changed = std::bit_cast<Words>(other.bytes), same = Words{};
        const std::uint64_t rest = FlowKey::pack(none.family, 6, 0);
        EXPECT_EQ(match.matches({changed, same, rest}), bit >= length) << one.length << " " << bit;
        EXPECT_EQ(match.matches({same, changed, rest}), bit >= length) << one.length << " " << bit;
      }
    }
  }
}

TEST_F(PolicyTableTest, ProtocolAndPortsAreLookedAt) {
  TrafficSelector web{prefix("10.1.0.0/16"), prefix("10.2.0.0/16"), 6};
  web.destination_port_low = web.destination_port_high = 443;
  OutboundSa& https = sa({web});
  table_.add(https);
  EXPECT_EQ(table_.find(flow("10.1.0.1", "10.2.0.1", 6, 5000, 443)), &https);
  EXPECT_EQ(table_.find(flow("10.1.0.1", "10.2.0.1", 6, 5000, 80)), nullptr);
  EXPECT_EQ(table_.find(flow("10.1.0.1", "10.2.0.1", 17, 5000, 443)), nullptr);
}

TEST_F(PolicyTableTest, AgreesWithALinearSearchOverRandomPolicies) {
  std::mt19937 random(3);
  struct Policy {
    OutboundSa* sa;
    TrafficSelector selector;
  };
  const auto random_prefix = [&] {
    IpPrefix p = prefix("10.0.0.0/8");
    p.length = static_cast<std::uint8_t>(8 + random() % 4 * 8);
    for (std::size_t i = 1; i < std::size_t(p.length) / 8; ++i) {
      p.address.bytes[i] = static_cast<std::uint8_t>(random() % 3);
    }
    return p;
  };
  std::vector<Policy> policies;
  for (int i = 0; i < 300; ++i) {
    const TrafficSelector selector{random_prefix(), random_prefix()};
    OutboundSa& made = sa({selector});
    table_.add(made);
    policies.push_back({&made, selector});
    if (random() % 3 == 0) {
      const std::size_t victim = random() % policies.size();
      table_.remove(*policies[victim].sa);
      policies.erase(policies.begin() + static_cast<std::ptrdiff_t>(victim));
    }
    for (int probe = 0; probe < 50; ++probe) {
      const auto host = [&] {
        return fmt::format("10.{}.{}.{}", random() % 3, random() % 3, random() % 3);
      };
      const FlowKey key = flow(host(), host());
      OutboundSa* expected = nullptr;
      int best = -1;
      for (const Policy& p : policies) {  // later ones are newer, so >= keeps the newest
        const int rank = p.selector.destination.length * 64 + p.selector.source.length;
        if (SelectorMatch(p.selector).matches(key) && rank >= best) {
          best = rank;
          expected = p.sa;
        }
      }
      ASSERT_EQ(table_.find(key), expected);
      ASSERT_EQ(table_.find(key), expected) << "the second time, from the flow cache";
    }
  }
}

TEST(SpiTable, AgreesWithAMapOverRandomSteps) {
  SpiTable table;
  std::unordered_map<std::uint32_t, InboundSa*> model;
  std::mt19937 generator(11);
  const auto random = [&] { return static_cast<std::uint32_t>(generator()); };
  for (int step = 0; step < 300'000; ++step) {
    const std::uint32_t spi = 256 + random() % 5000 * (random() % 2 == 0 ? 1 : 65536);
    auto* sa = reinterpret_cast<InboundSa*>(std::uintptr_t{spi} * 64);
    if (random() % 2 == 0) {
      if (model.emplace(spi, sa).second) table.insert(spi, *sa);
    } else {
      table.erase(spi);
      model.erase(spi);
    }
    const std::uint32_t probe = 256 + random() % 5000;
    const auto found = model.find(probe);
    ASSERT_EQ(table.find(probe), found == model.end() ? nullptr : found->second) << step;
  }
  for (const auto& [spi, sa] : model) ASSERT_EQ(table.find(spi), sa);
}

}  // namespace
}  // namespace espalier::esp
