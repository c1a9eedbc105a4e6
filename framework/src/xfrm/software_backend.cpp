// SPDX-License-Identifier: Apache-2.0
#include "xfrm/software_backend.hpp"

#include <espalier/esp_op.hpp>
#include <espalier/plugin.hpp>
#include <espalier/transform.hpp>

#include <fmt/format.h>

#include <sys/utsname.h>

namespace espalier::xfrm {
namespace {

constexpr std::uint64_t kSoftware = 1;
constexpr std::uint32_t kScore = 100;

std::uint32_t key_bit(const Transform& transform) {
  if (transform.cipher == Cipher::null || transform.cipher == Cipher::des3_cbc ||
      transform.cipher == Cipher::chacha20_poly1305)
    return ESPALIER_KEY_ANY;
  return transform.key_bits == 128   ? ESPALIER_KEY_128
         : transform.key_bits == 192 ? ESPALIER_KEY_192
                                     : ESPALIER_KEY_256;
}

class SoftwareBackend final : public sdk::Backend {
 public:
  SoftwareBackend(const espalier_host*, std::string_view) {}

  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    utsname system{};
    ::uname(&system);
    auto info = sdk::sized<espalier_device_info>();
    info.dataplane = ESPALIER_KERNEL;
    info.id = kSoftware;
    info.numa_node = -1;
    sdk::copy_text(info.name, "software");
    sdk::copy_text(info.description,
                   fmt::format("Linux {}, the crypto driver that it chooses", system.release));
    return std::vector{info};
  }

  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t) override {
    std::vector<espalier_capability> all;
    for (const TransformInfo& info : transforms()) {
      if (info.kernel_name.empty()) continue;
      const Transform& transform = info.transform;
      all.push_back(sdk::esp_capability(static_cast<std::uint16_t>(transform.cipher),
                                        static_cast<std::uint16_t>(transform.integrity),
                                        key_bit(transform), ESPALIER_ICV(transform.icv_bytes),
                                        kScore));
    }
    return all;
  }

  sdk::Result<espalier_recipe> recipe(std::uint64_t, const espalier_sa&) override {
    return sdk::sized<espalier_recipe>();  // no offload, and no driver
  }
};

}  // namespace

const espalier_plugin_entry kSoftwareEntry = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                              ESPALIER_ABI_MINOR,
                                              &sdk::table::negotiate<SoftwareBackend>};

}  // namespace espalier::xfrm
