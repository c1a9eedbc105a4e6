// SPDX-License-Identifier: Apache-2.0
//
// choose PLUGIN_FOLDER TRANSFORM: loads the plugins of a folder and prints where an SA with that
// transform would be placed, and why.
#include <espalier/address.hpp>
#include <espalier/decision.hpp>
#include <espalier/registry.hpp>
#include <espalier/secret.hpp>
#include <espalier/transform.hpp>
#include <espalier/version.hpp>

#include <iostream>

namespace {

espalier::SaSpec sample_sa(const espalier::Transform& transform) {
  espalier::SaSpec sa;
  sa.name = "sample";
  sa.spi = 0x1000;
  sa.transform = transform;
  sa.local = {*espalier::IpAddress::parse("192.0.2.1"), 4500};
  sa.peer = {*espalier::IpAddress::parse("192.0.2.2"), 4500};
  sa.interface = "eth0";
  const auto everything = *espalier::IpPrefix::parse("0.0.0.0/0");
  sa.selectors.push_back({.source = everything, .destination = everything});
  return sa;
}

int complain(const espalier::Error& error) {
  std::cerr << error.message << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto transform = espalier::find_transform(argv[2]);
  if (!transform) return complain(transform.error());

  auto secrets = espalier::SecretPool::create();
  if (!secrets) return complain(secrets.error());
  auto registry = espalier::Registry::load({.folders = {argv[1]}}, **secrets);
  if (!registry) return complain(registry.error());

  espalier::Inventory inventory;
  inventory.dataplane = espalier::Dataplane::kernel;
  inventory.backends = (*registry)->backends();
  const espalier::Policy policy{.backends = {"abacus"}};
  const auto decision = espalier::select(sample_sa((*transform)->transform), inventory, policy);
  std::cout << "espalier " << espalier::version() << '\n' << espalier::to_text(decision);
  return decision.chosen ? 0 : 1;
}
