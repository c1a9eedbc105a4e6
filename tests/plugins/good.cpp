// SPDX-License-Identifier: Apache-2.0
//
// What all others of this folder are put beside: a plugin that does nothing wrong.
#include <espalier/plugin.hpp>

namespace {

using namespace espalier::sdk;

class GoodQueue final : public Queue {
 public:
  espalier_status process(espalier_op* const* ops, uint32_t n) override {
    for (uint32_t i = 0; i < n; ++i) ops[i]->status = ESPALIER_OP_DONE;
    return ESPALIER_OK;
  }
};

class GoodDevice final : public Device {
 public:
  Result<uint64_t> session_open(const espalier_session_params& params) override {
    return uint64_t{params.cipher_key.size};
  }
  void session_close(uint64_t) override {}
  Result<std::unique_ptr<Queue>> queue_open() override { return std::make_unique<GoodQueue>(); }
};

class Good final : public Backend {
 public:
  Good(const espalier_host* host, std::string_view options) : options_(options) {
    host->log(host->context, ESPALIER_LOG_INFO, "started");
  }

  // Its one device carries the options in its description, so that a test sees them arrive.
  Result<std::vector<espalier_device_info>> enumerate() override {
    auto info = sized<espalier_device_info>();
    info.dataplane = ESPALIER_USERSPACE;
    info.id = 1;
    info.numa_node = -1;
    copy_text(info.name, "cpu");
    copy_text(info.description, options_);
    return std::vector{info};
  }

  Result<std::vector<espalier_capability>> caps(uint64_t) override {
    auto cap = sized<espalier_capability>();
    cap.cipher = ESPALIER_CIPHER_AES_GCM;
    cap.integrity = ESPALIER_INTEGRITY_NONE;
    cap.key_bits = ESPALIER_KEY_128 | ESPALIER_KEY_256;
    cap.icv_bytes = ESPALIER_ICV(16);
    cap.directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
    cap.modes = ESPALIER_TUNNEL;
    cap.encapsulations = ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP;
    cap.families = ESPALIER_IPV4 | ESPALIER_IPV6;
    cap.esn = 3;
    cap.score = 50;
    return std::vector{cap};
  }

  Result<std::unique_ptr<Device>> open(uint64_t) override { return std::make_unique<GoodDevice>(); }

 private:
  std::string options_;
};

}  // namespace

ESPALIER_PLUGIN(Good, "name=good\nvendor=Zoo\nversion=1.2.3\ncpu=\n")
