// SPDX-License-Identifier: Apache-2.0
//
// A backend as a vendor writes it: one kernel device whose recipe is the crypto offload of a
// network interface.
#include <espalier/plugin.hpp>

namespace {

namespace sdk = espalier::sdk;

class Abacus : public sdk::Backend {
 public:
  Abacus(const espalier_host*, std::string_view) {}

  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    auto device = sdk::sized<espalier_device_info>();
    device.dataplane = ESPALIER_KERNEL;
    device.id = 1;
    device.numa_node = -1;
    sdk::copy_text(device.name, "beads");
    sdk::copy_text(device.description, "ten wires of ten beads");
    sdk::copy_text(device.interface, "eth0");
    return std::vector{device};
  }

  sdk::Result<std::vector<espalier_capability>> caps(uint64_t) override {
    auto gcm = sdk::sized<espalier_capability>();
    gcm.cipher = ESPALIER_CIPHER_AES_GCM;
    gcm.integrity = ESPALIER_INTEGRITY_NONE;
    gcm.key_bits = ESPALIER_KEY_256;
    gcm.icv_bytes = ESPALIER_ICV(16);
    gcm.directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
    gcm.modes = ESPALIER_TUNNEL;
    gcm.encapsulations = ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP;
    gcm.families = ESPALIER_IPV4 | ESPALIER_IPV6;
    gcm.esn = 3;
    gcm.score = 300;
    return std::vector{gcm};
  }

  sdk::Result<espalier_recipe> recipe(uint64_t, const espalier_sa&) override {
    auto recipe = sdk::sized<espalier_recipe>();
    recipe.offload = ESPALIER_OFFLOAD_CRYPTO;
    sdk::copy_text(recipe.interface, "eth0");
    return recipe;
  }
};

}  // namespace

ESPALIER_PLUGIN(Abacus, "name=abacus\nvendor=consumer\nversion=1.0\ncpu=\n")
