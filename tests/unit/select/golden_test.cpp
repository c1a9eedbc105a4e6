// SPDX-License-Identifier: Apache-2.0
//
// Saved inventories in, decisions out, byte for byte. After a wanted change run the tests once with
// ESPALIER_UPDATE_GOLDEN=1 in the environment, which writes tests/data/select/*.decision.json anew,
// and read the difference before committing it.
#include <unit/places.hpp>
#include <unit/select/fixture.hpp>

#include <cstdlib>

namespace espalier {
namespace {

using namespace test;

struct Golden {
  std::string name;
  std::string inventory;  // in configs/inventories, or "crowded" of tests/data/select
  SaSpec sa;
  Policy policy;
};

SaSpec sa_with(std::string_view transform_name, Direction direction = Direction::inbound) {
  SaSpec sa = an_sa();
  sa.direction = direction;
  sa.name = direction == Direction::inbound ? "golden/in" : "golden/out";
  sa.transform = transform(transform_name);
  sa.interface = "";
  return sa;
}

SaSpec raw_transport(SaSpec sa) {
  sa.mode = Mode::transport;
  sa.encapsulation = Encapsulation::none;
  sa.esn = false;
  return sa;
}

SaSpec raw_tunnel(SaSpec sa) {
  sa.encapsulation = Encapsulation::none;
  return sa;
}

// The list that an appliance would ship for many machines.
Policy shipped() {
  Policy policy = a_policy({"nic_offload", "quickassist", "padlock", "aesni"}, Fallback::next);
  policy.limits = {{"nic_offload", 1000}};
  policy.excluded = {"pcrypt"};
  return policy;
}

Policy by_rules() {
  Policy policy = shipped();
  Rule cbc{"cbc to hardware", {}, {"quickassist", "padlock"}, Fallback::software};
  for (const char* const name : {"aes128-sha1", "aes256-sha256"})
    cbc.match.transforms.push_back(transform(name));
  Rule branch{"branch office", {}, {"nic_offload"}, Fallback::fail};
  branch.match.peers = {*IpPrefix::parse("192.0.2.0/24")};
  branch.match.direction = Direction::outbound;
  policy.rules = {cbc, branch};
  return policy;
}

SaSpec on(std::string interface, SaSpec sa) {
  sa.interface = std::move(interface);
  return sa;
}

Policy crowded_policy() {
  Policy policy =
      a_policy({"rejected", "empty", "excluded", "absent", "card", "limited"}, Fallback::next);
  policy.excluded = {"excluded"};
  policy.limits = {{"limited", 8}};
  return policy;
}

std::vector<Golden> goldens() {
  const SaSpec in = sa_with("aes256gcm16"), out = sa_with("aes256gcm16", Direction::outbound);
  return {
      {"plain-cpu-gcm", "plain-cpu", in, shipped()},
      {"plain-cpu-chacha", "plain-cpu", sa_with("chacha20poly1305"), shipped()},
      {"plain-cpu-rule-fails", "plain-cpu", out, by_rules()},
      {"mlx5-raw-tunnel", "mlx5-connectx7", on("ens1f1np1", raw_tunnel(in)), shipped()},
      {"mlx5-raw-tunnel-out", "mlx5-connectx7", on("ens1f1np1", raw_tunnel(out)), shipped()},
      {"mlx5-192-bits", "mlx5-connectx7", sa_with("aes192gcm16"), shipped()},
      {"mlx5-cbc", "mlx5-connectx7", sa_with("aes256-sha256"), shipped()},
      {"ixgbe-fits", "ixgbe-82599", raw_transport(sa_with("aes128gcm16")), shipped()},
      {"ixgbe-esn", "ixgbe-82599", on("enp4s0f0", sa_with("aes128gcm16")), shipped()},
      {"qat-cbc", "qat-c62x", sa_with("aes256-sha256"), by_rules()},
      {"qat-3des", "qat-c62x", sa_with("3des-md5", Direction::outbound), shipped()},
      {"netdevsim-udp", "netdevsim", in, shipped()},
      {"netdevsim-fits", "netdevsim", raw_transport(in), shipped()},
      {"padlock-cbc", "via-padlock", sa_with("aes128-sha1"), by_rules()},
      {"padlock-gcm", "via-padlock", in, shipped()},
      {"crowded-in", "crowded", on("eth0", in), crowded_policy()},
      {"crowded-out", "crowded", on("eth0", out), crowded_policy()},
  };
}

std::filesystem::path inventory_path(const std::string& name) {
  const std::filesystem::path file = name + ".json";
  return name == "crowded"
             ? std::filesystem::path(ESPALIER_TEST_DATA "/select") / file
             : std::filesystem::path(ESPALIER_SOURCE_DIR "/configs/inventories") / file;
}

class SelectGolden : public testing::TestWithParam<Golden> {};

TEST_P(SelectGolden, IsTheSameByteForByte) {
  const Golden& golden = GetParam();
  const std::filesystem::path file =
      std::filesystem::path(ESPALIER_TEST_DATA "/select") / (golden.name + ".decision.json");
  const std::string decision =
      to_json(select(golden.sa, read_inventory(inventory_path(golden.inventory)), golden.policy));
  if (std::getenv("ESPALIER_UPDATE_GOLDEN") != nullptr) std::ofstream(file) << decision;
  EXPECT_EQ(decision, read_text(file)) << "differs from " << file;
}

INSTANTIATE_TEST_SUITE_P(Machines, SelectGolden, testing::ValuesIn(goldens()),
                         [](const testing::TestParamInfo<Golden>& item) {
                           std::string name = item.param.name;
                           for (char& c : name)
                             if (c == '-') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace espalier
