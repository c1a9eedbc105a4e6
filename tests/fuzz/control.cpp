// SPDX-License-Identifier: Apache-2.0
//
// Requests to the control socket, one a line, on a gateway with a real backend.
#include "fuzz.hpp"
#include "gateway/control_service.hpp"
#include "io/memory_port.hpp"

#include <espalier/placer.hpp>

#include <memory>
#include <string>

extern "C" const espalier_plugin_entry espalier_plugin_openssl;

using namespace espalier;

namespace {

struct Running {
  Running() {
    fuzz::require(registry->add_builtin("openssl", espalier_plugin_openssl).has_value(), "openssl");
    placer = std::make_unique<Placer>(*registry, Policy{});
    auto [clear, clear_end] = make_memory_ports();
    auto [wire, wire_end] = make_memory_ports();
    std::vector<WorkerPorts> ports;
    ports.push_back({std::move(clear), std::move(wire)});
    engine = Engine::create({}, std::move(ports)).value();
    gateway = std::make_unique<Gateway>(*registry, *placer, *engine, [](int, std::string_view) {});
    monitor = std::make_unique<Monitor>(*gateway, std::vector<std::shared_ptr<const PortCounters>>());
    config.site = "left";
    config.sites["left"].outer = {IpAddress::parse("192.0.2.1").value(), 4500};
    service = std::make_unique<ControlService>(*gateway, *monitor, *secrets, config);
  }

  std::unique_ptr<SecretPool> secrets = SecretPool::create().value();
  std::unique_ptr<Registry> registry = Registry::load({}, *secrets).value();
  std::unique_ptr<Placer> placer;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<Monitor> monitor;
  GatewayConfig config;
  std::unique_ptr<ControlService> service;
};

void ask(Running& running, std::string line) {
  ControlReply reply = running.service->answer(line);
  fuzz::require(line.find_first_not_of('\0') == std::string::npos, "the request is wiped");
  std::string whole = reply.line;
  while (reply.next) {
    const auto part = reply.next();
    if (!part) break;
    whole += *part;
  }
  fuzz::require(nlohmann::json::accept(whole), "a reply is JSON");
  fuzz::require(whole.find('\n') == std::string::npos, "a reply is one line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Running& running = *new Running;
  if (size > 16384) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    ask(running, text.substr(at, end - at));
    at = end + 1;
  }
  running.engine->turn(0);
  running.gateway->tend();
  if (running.gateway->size() > 100) {
    for (const GatewaySa& sa : running.gateway->list())
      fuzz::require(running.gateway->remove(sa.spec.name).has_value(), "an SA can be deleted");
  }
  return 0;
}
