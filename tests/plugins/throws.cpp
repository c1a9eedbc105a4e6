// SPDX-License-Identifier: Apache-2.0
#include <espalier/plugin.hpp>

#include <stdexcept>

namespace {

using namespace espalier::sdk;

class Throwing final : public Backend {
 public:
  Throwing(const espalier_host*, std::string_view) {
    throw std::runtime_error("the card is on fire");
  }
  Result<std::vector<espalier_device_info>> enumerate() override {
    return Refusal{ESPALIER_LOST, "never asked"};
  }
  Result<std::vector<espalier_capability>> caps(uint64_t) override {
    return Refusal{ESPALIER_LOST, "never asked"};
  }
};

}  // namespace

ESPALIER_PLUGIN(Throwing, "name=throws\nvendor=Zoo\nversion=1.0\ncpu=\n")
