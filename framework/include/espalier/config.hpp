// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/policy.hpp>
#include <espalier/secret.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

enum class Severity : std::uint8_t { error, warning };

// One finding in a configuration: "site.toml:12:5: error: unknown key 'transfrom'; did you mean
// 'transform'?"
struct Diagnostic {
  std::filesystem::path file;
  std::uint32_t line = 0;    // from 1
  std::uint32_t column = 0;  // from 1
  Severity severity = Severity::error;
  std::string message;
};

// One end of tunnels: a machine with the networks behind it.
struct SiteConfig {
  std::string name;
  Endpoint outer;                       // address and UDP port
  std::string interface;                // towards the peers, or ""
  std::vector<IpPrefix> networks;       // protected, behind this site
  std::string tun_name;                 // of the TUN device, "esp0"
  std::vector<IpPrefix> tun_addresses;  // with host bits
  std::uint32_t tun_mtu = 1400;
};

// Keys written in the configuration: CBC or NULL with HMAC only (law 1). From inline hex, a file
// or the environment.
struct StaticKeys {
  std::uint32_t spi_forward = 0;  // first site to second
  std::uint32_t spi_backward = 0;
  SaKeys forward;
  SaKeys backward;
};

// Packets that say nothing, sent so that nobody sees when there is something to say (RFC 4303 2.6).
struct DummyConfig {
  std::uint32_t interval = 0;  // milliseconds between two of an SA; 0: none are sent
  std::uint32_t bytes = 1000;  // of what looks like an inner packet
};

// Two sites joined by an SA in each direction.
struct TunnelConfig {
  std::string name;
  std::string first, second;  // sites
  Transform transform;
  Mode mode = Mode::tunnel;
  Encapsulation encapsulation = Encapsulation::udp;
  bool esn = true;
  std::uint32_t replay_window = 1024;
  std::string traffic_class;
  OuterHeader outer;
  Lifetime lifetime;
  bool follow_peer = false;     // the address and port from which its authentic packets come
  std::uint32_t keepalive = 0;  // seconds without a packet before a keepalive is sent; 0: never
  DummyConfig dummies;
  std::optional<StaticKeys> static_keys;
  std::string key_file_name;       // as written: "{site}.keys"; or "": static or by socket
  std::filesystem::path key_file;  // that file of GatewayConfig::site, in its key folder; or ""
};

// A backend that the configuration names (by the policy, its rules or [backend.NAME]), and where.
struct NamedBackend {
  std::string name;
  std::filesystem::path file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// What becomes of the kernel's rules against traffic in the clear when a gateway is stopped.
enum class OnStop : std::uint8_t { open, closed };
// Whether a gateway runs where the kernel does not take them.
enum class KernelRules : std::uint8_t { required, optional };

struct GatewayConfig {
  std::filesystem::path file;
  std::string site;  // which of `sites` this machine is, or ""
  Dataplane dataplane = Dataplane::userspace;
  std::uint32_t workers = 1;
  KernelRules kernel_rules = KernelRules::required;
  OnStop on_stop = OnStop::open;
  bool offloads = true;                                // of TUN device and sockets
  std::filesystem::path control_socket;                // "{site}" replaced
  std::filesystem::path state_directory;               // claims of one-time keys; "{site}" replaced
  std::filesystem::path key_folder;                    // of one-time key files
  std::vector<std::filesystem::path> plugin_folders;   // empty: the installed one
  std::map<std::string, std::string> backend_options;  // backend name to JSON text
  Policy policy;
  std::map<std::string, SiteConfig> sites;
  std::vector<TunnelConfig> tunnels;
};

// A configuration as read: with every finding, and a value only if there is no error among them.
struct ConfigReading {
  std::optional<GatewayConfig> config;
  std::vector<Diagnostic> findings;
  // As in GatewayConfig, known in spite of errors, so that all findings can be told at once.
  std::vector<NamedBackend> named_backends{};
  std::vector<std::filesystem::path> plugin_folders{};
};

// What the command line says against the file; "" where it says nothing.
struct ConfigOverrides {
  std::string site{};
  std::filesystem::path key_folder{};
  std::filesystem::path state_directory{};
  std::filesystem::path control_socket{};
};

// Reads a file with its includes. Relative paths in it are relative to the file that holds them.
ConfigReading read_config(const std::filesystem::path& file, SecretPool& secrets,
                          const ConfigOverrides& overrides = {});

// The SAs of one site, outbound and inbound for each of its tunnels, without SPIs where these come
// with the keys (spi 0). Named "TUNNEL/out" and "TUNNEL/in". Site "" takes config.site.
Result<std::vector<SaSpec>> sa_specs(const GatewayConfig& config, std::string_view site);

// The backends that a configuration names and that are not among `known`, each once, as warnings:
// a configuration may be for many machines. One that is most likely misspelt is an error. `where`
// says where the known ones are.
std::vector<Diagnostic> unknown_backends(std::span<const NamedBackend> named,
                                         std::span<const std::string_view> known,
                                         std::string_view where = "here");

std::string to_string(const Diagnostic& diagnostic);

}  // namespace espalier
