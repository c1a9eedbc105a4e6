// SPDX-License-Identifier: Apache-2.0
//
// 100,000 SAs: how long select() takes with that many placed, how long a whole add takes, how long
// the control thread is kept from its work by the look at all of them each second and by a request,
// and how much memory an SA costs: the framework's own share, and each backend's for its session.
// One JSON line on stdout. Memory is what malloc has handed out, plus the secret pool's pages. The
// time of an add and the memory are those of Gateway alone, without routes, rules, rates and the
// configuration: what a whole process needs, tests/bench/churn says.
#include <espalier/gateway.hpp>

#include "gateway/control_service.hpp"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

extern "C" const espalier_plugin_entry espalier_plugin_aesni;
extern "C" const espalier_plugin_entry espalier_plugin_openssl;

namespace espalier::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint32_t kSas = 100'000;

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

// Bytes in use: all that malloc gave out, and pages locked for secrets.
std::uint64_t memory_in_use() {
  const struct mallinfo2 info = mallinfo2();
  std::uint64_t locked = 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmLck:")) locked = std::stoull(line.substr(6)) * 1024;
  }
  return info.uordblks + info.hblkhd + locked;
}

SaSpec spec(std::uint32_t i) {
  SaSpec sa;
  sa.name = "client-" + std::to_string(i / 2) + (i % 2 == 0 ? "/out" : "/in");
  sa.direction = i % 2 == 0 ? Direction::outbound : Direction::inbound;
  sa.spi = 0x10000 + i;
  sa.transform = must(find_transform("aes256gcm16"))->transform;
  sa.local = {must(IpAddress::parse("192.0.2.1")), 4500};
  sa.peer = {must(IpAddress::parse("198.51.100.7")), 4500};
  IpPrefix client = must(IpPrefix::parse("10.0.0.0/32"));
  client.address.bytes[1] = static_cast<std::uint8_t>(i >> 17);
  client.address.bytes[2] = static_cast<std::uint8_t>(i >> 9);
  client.address.bytes[3] = static_cast<std::uint8_t>(i >> 1);
  const IpPrefix home = must(IpPrefix::parse("172.16.0.0/12"));
  sa.selectors = {sa.direction == Direction::outbound ? TrafficSelector{home, client}
                                                      : TrafficSelector{client, home}};
  return sa;
}

SaKeys keys(SecretPool& pool) {
  return {must(SecretBytes::random(pool, 32)), must(SecretBytes::random(pool, 4)), {}};
}

class NullPort final : public PacketPort {
 public:
  std::size_t receive(std::span<Packet* const>) noexcept override { return 0; }
  std::size_t send(std::span<Packet* const> packets) noexcept override { return packets.size(); }
  int descriptor() const noexcept override { return -1; }
};

double session_bytes(Registry& registry, SecretPool& secrets, const char* backend) {
  constexpr std::uint32_t kSessions = 2000;
  const auto device = must(registry.open(backend, "cpu"));
  const SaKeys some = keys(secrets);
  std::vector<Session> sessions;
  sessions.reserve(kSessions);
  const auto before = memory_in_use();
  for (std::uint32_t i = 0; i < kSessions; ++i) {
    sessions.push_back(must(device->open_session(spec(i), some)));
  }
  return static_cast<double>(memory_in_use() - before) / kSessions;
}

double percentile(std::vector<double>& values, double p) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(p * double(values.size() - 1));
  std::ranges::nth_element(values, at);
  return *at;
}

double microseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::micro>(Clock::now() - since).count();
}

// For how long the control thread, and so all that waits for it, is held by one look at all SAs and
// by one request. Of a list only the first part counts: the loop runs between the parts.
struct Held {
  double look_ms = 0;
  double request_ms = 0;
};

Held time_control_thread(Gateway& gateway, SecretPool& secrets) {
  Monitor monitor(gateway, {});
  GatewayConfig config;
  config.site = "left";
  config.sites["left"].outer = spec(0).local;
  ControlService service(gateway, monitor, secrets, config);
  Held held;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    monitor.sample(start);
    gateway.tend();
    held.look_ms = std::max(held.look_ms, microseconds(start) / 1000);
  }
  for (std::string line :
       {R"({"verb":"explain","name":"client-7/out"})", R"({"verb":"sa.list"})"}) {
    const auto start = Clock::now();
    service.answer(line);
    held.request_ms = std::max(held.request_ms, microseconds(start) / 1000);
  }
  return held;
}

int run() {
  const auto secrets = must(SecretPool::create());
  const auto registry = must(Registry::load({}, *secrets));
  if (!registry->add_builtin("aesni", espalier_plugin_aesni)) return 1;
  if (!registry->add_builtin("openssl", espalier_plugin_openssl)) return 1;
  const double aesni = session_bytes(*registry, *secrets, "aesni");
  const double openssl = session_bytes(*registry, *secrets, "openssl");

  Policy policy;
  policy.backends = {"quickassist", "aesni", "openssl"};
  Placer placer(*registry, policy);
  std::vector<WorkerPorts> ports;
  ports.push_back({std::make_unique<NullPort>(), std::make_unique<NullPort>()});
  const auto engine = must(Engine::create({}, std::move(ports)));
  Gateway gateway(*registry, placer, *engine, [](int, std::string_view) {});

  const auto before = memory_in_use();
  std::vector<double> adds;
  adds.reserve(kSas);
  const auto reserved = kSas * sizeof(double);
  for (std::uint32_t i = 0; i < kSas; ++i) {
    const SaSpec sa = spec(i);
    SaKeys fresh = keys(*secrets);
    const auto start = Clock::now();
    if (!gateway.add(sa, std::move(fresh))) return 1;
    adds.push_back(microseconds(start));
  }
  engine->turn(0);
  const Held held = time_control_thread(gateway, *secrets);
  const double each = static_cast<double>(memory_in_use() - before - reserved) / kSas;

  const Inventory inventory = placer.inventory();
  std::vector<double> selects;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    const SaSpec sa = spec(kSas + i);
    const auto start = Clock::now();
    const Decision decision = select(sa, inventory, policy);
    selects.push_back(microseconds(start));
    if (!decision.chosen) return 1;
  }
  std::printf(
      "{\"sas\": %u, \"look_ms\": %.1f, \"request_ms\": %.1f, \"select_p50_us\": %.2f, "
      "\"select_p99_us\": %.2f, \"add_p50_us\": "
      "%.2f, \"add_p99_us\": %.2f, \"framework_bytes_an_sa\": %.0f, "
      "\"aesni_session_bytes\": %.0f, \"openssl_session_bytes\": %.0f}\n",
      kSas, held.look_ms, held.request_ms, percentile(selects, 0.5), percentile(selects, 0.99),
      percentile(adds, 0.5), percentile(adds, 0.99), each - aesni, aesni, openssl);
  return 0;
}

}  // namespace
}  // namespace espalier::bench

int main() { return espalier::bench::run(); }
