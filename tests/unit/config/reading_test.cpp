// SPDX-License-Identifier: Apache-2.0
//
// What a good configuration says, as values.
#include <fmt/format.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "mistake.hpp"

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kWhole = R"(
[gateway]
site = "left"
dataplane = "kernel"
workers = 4
kernel_rules = "optional"
on_stop = "closed"
offloads = false
control_socket = "/run/espalier/{site}.sock"
state_directory = "state/{site}"
key_folder = "keys"
[plugins]
folders = ["/usr/lib/espalier/plugins", "more"]
[backend.aesni]
max_sas = 1000
options = { threads = 2, names = ["a", "b"], deep = { on = true, ratio = 0.5 } }
[backend.padlock]
enabled = false
[policy]
backends = ["quickassist", "aesni"]
fallback = "software"
[[rule]]
name = "bulk"
match = { transform = ["aes256gcm16"], peer = ["198.51.100.0/24"], direction = "outbound", class = "bulk", interface = "eth1" }
backends = ["aesni"]
fallback = "fail"
[[rule]]
name = "rest"
match = { direction = "inbound" }
backends = []
[site.left]
address = "192.0.2.1"
port = 4501
interface = "eth0"
networks = ["10.1.0.0/24", "fd00:1::/64"]
tun = { name = "esp7", addresses = ["10.1.0.1/24", "fd00:1::1/64"], mtu = 1380 }
[site.right]
address = "192.0.2.2"
networks = ["10.2.0.0/24", "fd00:2::/64"]
[[tunnel]]
name = "left-right"
sites = ["left", "right"]
transform = "aes256gcm16"
encapsulation = "none"
esn = false
replay_window = 64
class = "bulk"
keys = { file = "{site}.keys" }
)";

class Reading : public ConfigTest {
 protected:
  GatewayConfig good(std::string_view text, const ConfigOverrides& overrides = {}) {
    ConfigReading reading = read(text, overrides);
    if (reading.config) return std::move(*reading.config);
    ADD_FAILURE() << testing::PrintToString(sentences(reading));
    return {};
  }
};

TEST_F(Reading, GivesTheGatewayAndItsPaths) {
  const GatewayConfig config = good(kWhole);
  EXPECT_EQ(config.file, folder_ / "gateway.toml");
  EXPECT_EQ(config.site, "left");
  EXPECT_EQ(config.dataplane, Dataplane::kernel);
  EXPECT_EQ(config.workers, 4U);
  EXPECT_EQ(config.kernel_rules, KernelRules::optional);
  EXPECT_EQ(config.on_stop, OnStop::closed);
  EXPECT_FALSE(config.offloads);
  EXPECT_EQ(config.control_socket, "/run/espalier/left.sock");
  EXPECT_EQ(config.state_directory, folder_ / "state/left");
  EXPECT_EQ(config.key_folder, folder_ / "keys");
  EXPECT_THAT(config.plugin_folders, ElementsAre("/usr/lib/espalier/plugins", folder_ / "more"));
}

TEST_F(Reading, GivesBackendsAndThePolicy) {
  const GatewayConfig config = good(kWhole);
  EXPECT_EQ(config.backend_options.at("aesni"),
            R"({"deep":{"on":true,"ratio":0.5},"names":["a","b"],"threads":2})");
  EXPECT_THAT(config.policy.limits, ElementsAre(BackendLimit{"aesni", 1000}));
  EXPECT_THAT(config.policy.excluded, ElementsAre("padlock"));
  EXPECT_THAT(config.policy.backends, ElementsAre("quickassist", "aesni"));
  EXPECT_EQ(config.policy.fallback, Fallback::software);
  const Rule bulk{.name = "bulk",
                  .match = {.transforms = {(*find_transform("aes256gcm16"))->transform},
                            .peers = {*IpPrefix::parse("198.51.100.0/24")},
                            .direction = Direction::outbound,
                            .traffic_class = "bulk",
                            .interface = "eth1"},
                  .backends = {"aesni"},
                  .fallback = Fallback::fail};
  ASSERT_EQ(config.policy.rules.size(), 2U);
  EXPECT_EQ(config.policy.rules[0], bulk);
}

TEST_F(Reading, ARuleWithoutFallbackTakesThePolicys) {
  EXPECT_EQ(good(kWhole).policy.rules.at(1).fallback, Fallback::software);
}

TEST_F(Reading, GivesSites) {
  const GatewayConfig config = good(kWhole);
  const SiteConfig& left = config.sites.at("left");
  EXPECT_EQ(to_string(left.outer), "192.0.2.1:4501");
  EXPECT_EQ(left.interface, "eth0");
  EXPECT_THAT(left.networks,
              ElementsAre(*IpPrefix::parse("10.1.0.0/24"), *IpPrefix::parse("fd00:1::/64")));
  EXPECT_EQ(left.tun_name, "esp7");
  EXPECT_EQ(left.tun_mtu, 1380U);
  ASSERT_EQ(left.tun_addresses.size(), 2U);
  EXPECT_EQ(to_string(left.tun_addresses[0]), "10.1.0.1/24") << "host bits are kept";
  EXPECT_EQ(to_string(left.tun_addresses[1]), "fd00:1::1/64") << "host bits are kept";
}

TEST_F(Reading, GivesTunnels) {
  const GatewayConfig config = good(kWhole);
  const TunnelConfig& tunnel = config.tunnels.at(0);
  EXPECT_EQ(tunnel.name, "left-right");
  EXPECT_EQ(tunnel.first, "left");
  EXPECT_EQ(tunnel.second, "right");
  EXPECT_EQ(to_string(tunnel.transform), "aes256gcm16");
  EXPECT_EQ(tunnel.encapsulation, Encapsulation::none);
  EXPECT_FALSE(tunnel.esn);
  EXPECT_EQ(tunnel.replay_window, 64U);
  EXPECT_EQ(tunnel.traffic_class, "bulk");
  EXPECT_EQ(tunnel.key_file_name, "{site}.keys");
  EXPECT_EQ(tunnel.key_file, folder_ / "keys/left.keys");
  EXPECT_FALSE(tunnel.static_keys.has_value());
}

TEST_F(Reading, HasDefaultsForEverythingThatMayBeLeftOut) {
  const GatewayConfig config = good(base());
  EXPECT_EQ(config.dataplane, Dataplane::userspace);
  EXPECT_EQ(config.workers, 1U);
  EXPECT_EQ(config.kernel_rules, KernelRules::required);
  EXPECT_EQ(config.on_stop, OnStop::open);
  EXPECT_TRUE(config.offloads);
  EXPECT_EQ(config.control_socket, "/run/espalier/left.sock");
  EXPECT_EQ(config.state_directory, "/var/lib/espalier/left");
  EXPECT_EQ(config.key_folder, folder_);
  EXPECT_THAT(config.plugin_folders, IsEmpty());
  EXPECT_EQ(config.policy, Policy{});
  const SiteConfig& left = config.sites.at("left");
  EXPECT_EQ(left.outer.port, 4500);
  EXPECT_EQ(left.tun_name, "esp0");
  EXPECT_EQ(left.tun_mtu, 1400U);
  const TunnelConfig& tunnel = config.tunnels.at(0);
  EXPECT_EQ(tunnel.encapsulation, Encapsulation::udp);
  EXPECT_TRUE(tunnel.esn);
  EXPECT_EQ(tunnel.replay_window, 1024U);
}

TEST_F(Reading, TheCommandLineOverrides) {
  ConfigOverrides overrides;
  overrides.site = "right";
  overrides.key_folder = "/tmp/demo/keys";
  overrides.state_directory = "/tmp/demo/state";
  overrides.control_socket = "/tmp/demo/right.sock";
  const GatewayConfig config = good(kWhole, overrides);
  EXPECT_EQ(config.site, "right");
  EXPECT_EQ(config.tunnels.at(0).key_file, "/tmp/demo/keys/right.keys");
  EXPECT_EQ(config.state_directory, "/tmp/demo/state");
  EXPECT_EQ(config.control_socket, "/tmp/demo/right.sock");
}

TEST_F(Reading, TheOtherSiteHasPathsOfItsOwn) {
  const GatewayConfig config = good(kWhole, {.site = "right"});
  EXPECT_EQ(config.control_socket, "/run/espalier/right.sock");
  EXPECT_EQ(config.state_directory, folder_ / "state/right");
}

TEST_F(Reading, AnUnknownSiteOnTheCommandLineIsRefused) {
  EXPECT_THAT(sentences(read(base(), {.site = "rihgt"})),
              ElementsAre("gateway.toml: error: there is no [site.rihgt]; did you mean 'right'?"));
}

TEST_F(Reading, WithoutASiteOfItsOwnItIsTheFilesName) {
  const GatewayConfig config = good(changed(base(), {{"site = \"left\"\n", ""}}));
  EXPECT_EQ(config.site, "");
  EXPECT_EQ(config.control_socket, "/run/espalier/gateway.sock");
}

TEST_F(Reading, AFileThatIsNotThereIsOneError) {
  const ConfigReading reading = read_config(folder_ / "none.toml", *secrets_);
  EXPECT_FALSE(reading.config);
  EXPECT_THAT(sentences(reading),
              ElementsAre("none.toml: error: cannot open none.toml: No such file or directory"));
}

TEST_F(Reading, AFolderIsOneError) {
  const ConfigReading reading = read_config(folder_, *secrets_);
  ASSERT_EQ(reading.findings.size(), 1U);
  EXPECT_THAT(reading.findings[0].message, HasSubstr("Is a directory"));
}

TEST_F(Reading, AFileThatIsNoTextIsOneError) {
  const std::string program(
      "\x7f"
      "ELF\0\xff\xfe\n\0\n",
      10);
  EXPECT_THAT(sentences(read(program)), ElementsAre("gateway.toml: error: this is no text file"));
}

TEST_F(Reading, AnEmptyFileIsAConfigurationOfNothing) {
  const GatewayConfig config = good("");
  EXPECT_TRUE(config.sites.empty());
  EXPECT_TRUE(config.tunnels.empty());
}

TEST_F(Reading, IncludesAddSitesAndTunnels) {
  const std::string_view peer = R"(
[site.third]
address = "192.0.2.3"
networks = ["10.3.0.0/24"]
[[tunnel]]
name = "left-third"
sites = ["left", "third"]
transform = "aes128gcm16"
keys = { socket = true }
)";
  write("peers/third.toml", peer);
  const GatewayConfig config =
      good("include = [\"peers/*.toml\", \"peers/third.toml\"]\n" + base());
  EXPECT_EQ(config.sites.size(), 3U);
  ASSERT_EQ(config.tunnels.size(), 2U) << "a file named twice counts once";
  EXPECT_EQ(config.tunnels[1].name, "left-third");
  EXPECT_EQ(config.tunnels[1].key_file, "");
}

TEST_F(Reading, ErrorsOfAllFilesComeAtOnceAndInOrder) {
  write("peers/a.toml", "[gateway]\nworkers = 2\n[site.third]\naddress = \"x\"\n");
  write("peers/b.toml",
        "[site.left]\naddress = \"192.0.2.9\"\nnetworks = [\"10.9.0.0/24\"]\nx = \n");
  const std::string text =
      "include = [\"peers/*.toml\"]\n" + changed(base(), {{"name = \"t\"", "nmae = \"t\""}});
  EXPECT_THAT(
      sentences(read(text)),
      ElementsAre(
          "gateway.toml:10:1: error: [[tunnel]] has no 'name': expected a name for this tunnel, "
          "unique",
          "gateway.toml:11:1: error: unknown key 'nmae' in [[tunnel]]; did you mean 'name'?",
          "peers/a.toml:1:2: error: unknown key 'gateway' in an included file; known here: site, "
          "tunnel",
          "peers/a.toml:3:1: error: [site.third] has no 'networks': expected a list of prefixes "
          "behind this site, such as [\"10.1.0.0/24\"]",
          "peers/a.toml:4:11: error: 'address' is \"x\": expected the outer IP address of this "
          "site, such as \"192.0.2.1\"",
          "peers/b.toml:1:7: error: there is a site 'left' already, at gateway.toml:4: names must "
          "be unique",
          "peers/b.toml:4:5: error: not valid TOML: key-value pair: expected value, saw '\\n'"));
}

TEST_F(Reading, TenThousandTunnelsFromAnInclude) {
  std::string peers;
  for (int i = 0; i < 10000; ++i)
    peers += fmt::format(
        "[site.p{0}]\naddress = \"198.18.{1}.{2}\"\nnetworks = [\"10.100.{1}.{2}/32\"]\n"
        "[[tunnel]]\nname = \"hub-p{0}\"\nsites = [\"left\", \"p{0}\"]\n"
        "transform = \"aes256gcm16\"\nkeys = {{ file = \"{{site}}.keys\" }}\n",
        i, i / 256, i % 256);
  write("peers/all.toml", peers);
  const GatewayConfig config = good("include = [\"peers/*.toml\"]\n" + base());
  EXPECT_EQ(config.tunnels.size(), 10001U);
  const auto specs = sa_specs(config, "left");
  ASSERT_TRUE(specs);
  EXPECT_EQ(specs->size(), 20002U);
}

TEST_F(Reading, OfAPipeDoesNotWaitForeverForWhoeverWritesIntoIt) {
  const auto pipe = folder_ / "gateway.fifo";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const ConfigReading empty = read_config(pipe, *secrets_);
  ASSERT_FALSE(empty.config);
  EXPECT_THAT(sentences(empty),
              ElementsAre(HasSubstr("is a pipe, and nobody has written into it")));
  std::thread writer([&] { std::ofstream(pipe) << base(); });
  const ConfigReading whole = read_config(pipe, *secrets_);
  writer.join();
  EXPECT_TRUE(whole.config) << testing::PrintToString(sentences(whole));
}

}  // namespace
}  // namespace espalier
