// SPDX-License-Identifier: Apache-2.0
//
// A backend for testers: real on the outside (it goes through the same C table as any plugin),
// scripted on the inside.
//
//   auto fake = FakeBackendBuilder{}.name("fake").asynchronous().sa_capacity(16).build();
//   registry.add_builtin(fake.name(), fake.entry(), fake.options());
//   fake.control().lose_after(100);
//
// The builder is in fake_builder.hpp. With .inner(plugin_entry(".../openssl.so")), of
// installed_plugin.hpp, its packets are true ESP; without, a toy without any cryptography. A FakeBackend must outlive the registry that it was given to.
#pragma once

#include <fake_device.hpp>

namespace espalier::mock {

struct FakeBackendSpec {
  std::string name = "fake";
  std::vector<FakeDeviceSpec> devices;
  const espalier_plugin_entry* inner = nullptr;
  std::shared_ptr<OpTrace> trace;
  sdk::Refusal negotiate{ESPALIER_OK, ""};
};

// Negotiation is a plain function: options name the instance, and this is where it is found. The
// one state that outlives a test's own objects, and only as a weak reference.
class FakeDirectory {
 public:
  static FakeDirectory& instance() {
    static FakeDirectory directory;
    return directory;
  }
  std::uint64_t add(const std::shared_ptr<const FakeBackendSpec>& spec) {
    const std::lock_guard lock(mutex_);
    specs_.emplace(++last_, spec);
    return last_;
  }
  std::shared_ptr<const FakeBackendSpec> find(std::string_view options) {
    const auto digits = options.find_first_of("0123456789");
    if (digits == std::string_view::npos) return nullptr;
    const std::lock_guard lock(mutex_);
    const auto it = specs_.find(std::stoull(std::string(options.substr(digits))));
    return it == specs_.end() ? nullptr : it->second.lock();
  }

 private:
  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::weak_ptr<const FakeBackendSpec>> specs_;
};

inline espalier_capability fake_capability(std::uint16_t cipher, std::uint16_t integrity,
                                           std::uint32_t key_bits, std::uint32_t icv_bytes) {
  auto c = sdk::sized<espalier_capability>();
  c.cipher = cipher;
  c.integrity = integrity;
  c.key_bits = key_bits;
  c.icv_bytes = icv_bytes;
  c.directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND;
  c.modes = ESPALIER_TUNNEL | ESPALIER_TRANSPORT;
  c.encapsulations = ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP;
  c.families = ESPALIER_IPV4 | ESPALIER_IPV6;
  c.esn = 3;
  c.score = 100;
  return c;
}

// What the toy claims to do.
inline std::vector<espalier_capability> toy_capabilities() {
  const std::uint32_t keys = ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256;
  const std::uint32_t aead = ESPALIER_ICV(8) | ESPALIER_ICV(12) | ESPALIER_ICV(16);
  return {
      fake_capability(ESPALIER_CIPHER_AES_GCM, ESPALIER_INTEGRITY_NONE, keys, aead),
      fake_capability(ESPALIER_CIPHER_AES_CBC, ESPALIER_INTEGRITY_HMAC_SHA1, keys,
                      ESPALIER_ICV(12)),
      fake_capability(ESPALIER_CIPHER_AES_CBC, ESPALIER_INTEGRITY_HMAC_SHA256, keys,
                      ESPALIER_ICV(16)),
  };
}

inline espalier_pool fake_pool(std::string_view name, std::uint64_t capacity,
                               std::uint32_t use = ESPALIER_USE_COUNTED,
                               std::uint32_t directions = ESPALIER_OUTBOUND | ESPALIER_INBOUND) {
  auto pool = sdk::sized<espalier_pool>();
  pool.kind = ESPALIER_POOL_SAS;
  pool.directions = directions;
  pool.use = use;
  pool.capacity = capacity;
  sdk::copy_text(pool.name, name);
  return pool;
}

// The backend object behind the C table.
class FakePlugin final : public sdk::Backend {
 public:
  FakePlugin(const espalier_host* host, std::shared_ptr<const FakeBackendSpec> spec,
             std::shared_ptr<InnerBackend> inner)
      : spec_(std::move(spec)), inner_(std::move(inner)) {
    for (const auto& d : spec_->devices) d.control->set(d.control->host_, host);
  }
  ~FakePlugin() override {
    for (const auto& d : spec_->devices) {
      d.control->set<const espalier_host*>(d.control->host_, nullptr);
    }
  }

  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    std::vector<espalier_device_info> all;
    for (const auto& d : spec_->devices) {
      if (!d.control->get(d.control->plugged_)) continue;
      auto info = sdk::sized<espalier_device_info>();
      info.dataplane = ESPALIER_USERSPACE;
      info.id = d.control->id();
      info.flags = d.asynchronous ? std::uint32_t{ESPALIER_DEVICE_ASYNC} : 0u;
      info.numa_node = -1;
      sdk::copy_text(info.name, d.name);
      sdk::copy_text(info.description, "fake device for tests");
      all.push_back(info);
    }
    return all;
  }

  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t id) override {
    const auto* device = find(id);
    if (device == nullptr) return absent();
    if (!device->caps.empty()) return device->caps;
    sdk::Result<std::vector<espalier_capability>> all = toy_capabilities();
    if (inner_ != nullptr) all = inner_->caps();
    if (all) {
      for (auto& capability : *all) capability.score = device->score;
    }
    return all;
  }

  sdk::Result<std::vector<espalier_pool>> pools(std::uint64_t id) override {
    const auto* device = find(id);
    if (device == nullptr) return absent();
    auto pools = device->pools;
    const auto lie = device->control->get(device->control->reported_used_);
    const auto sessions = device->control->counters().sessions();
    for (auto& pool : pools) pool.used = lie.value_or(sessions);
    return pools;
  }

  espalier_health health(std::uint64_t id) override {
    auto health = sdk::sized<espalier_health>();
    const auto* device = find(id);
    if (device == nullptr) {
      health.state = ESPALIER_GONE;
      return health;
    }
    const auto now = device->control->get(device->control->health_);
    health.state = now.first;
    sdk::copy_text(health.reason, now.second);
    return health;
  }

  sdk::Result<std::unique_ptr<sdk::Device>> open(std::uint64_t id) override {
    const auto* device = find(id);
    if (device == nullptr) return absent();
    if (auto refusal = refusal_to_open(*device->control)) return *refusal;
    void* inner_device = nullptr;
    if (inner_ != nullptr) {
      auto opened = inner_->open_device();
      if (!opened) return opened.refusal();
      inner_device = *opened;
    }
    return std::unique_ptr<sdk::Device>(
        std::make_unique<FakeDevice>(*device, spec_->trace, inner_, inner_device));
  }

 private:
  static std::optional<sdk::Refusal> refusal_to_open(FakeControl& control) {
    const std::lock_guard lock(control.mutex_);
    if (control.health_.first == ESPALIER_GONE) {
      return sdk::Refusal{ESPALIER_LOST, control.health_.second};
    }
    return control.refusal_locked(Call::device_open);
  }
  static sdk::Refusal absent() { return {ESPALIER_LOST, "there is no such fake device"}; }
  const FakeDeviceSpec* find(std::uint64_t id) const {
    for (const auto& d : spec_->devices) {
      if (d.control->id() == id && d.control->get(d.control->plugged_)) return &d;
    }
    return nullptr;
  }

  std::shared_ptr<const FakeBackendSpec> spec_;
  std::shared_ptr<InnerBackend> inner_;
};

// A test's handle on its backend: what to give to the registry, and the strings to pull.
class FakeBackend {
 public:
  explicit FakeBackend(FakeBackendSpec spec)
      : spec_(std::make_shared<const FakeBackendSpec>(std::move(spec))),
        id_(FakeDirectory::instance().add(spec_)) {}

  const std::string& name() const { return spec_->name; }
  static const espalier_plugin_entry& entry() {
    static constexpr espalier_plugin_entry kEntry = {ESPALIER_ABI_MAGIC, ESPALIER_ABI_MAJOR,
                                                     ESPALIER_ABI_MINOR, &negotiate};
    return kEntry;
  }
  std::string options() const { return "{\"fake\":" + std::to_string(id_) + "}"; }
  FakeControl& control(std::size_t device = 0) const { return *spec_->devices.at(device).control; }
  OpTrace& trace() const { return *spec_->trace; }

 private:
  static espalier_status negotiate(const espalier_host* host, const char* options,
                                   const espalier_backend** backend, espalier_message* message) {
    return sdk::table::guarded(message, [&]() -> espalier_status {
      const auto spec = FakeDirectory::instance().find(options);
      if (spec == nullptr) {
        return sdk::table::refuse(message, {ESPALIER_INVALID, "options name no FakeBackend"});
      }
      if (spec->negotiate.status != ESPALIER_OK) {
        return sdk::table::refuse(message, spec->negotiate);
      }
      std::shared_ptr<InnerBackend> inner;
      if (spec->inner != nullptr) {
        auto opened = InnerBackend::open(*spec->inner, host);
        if (!opened) return sdk::table::refuse(message, opened.refusal());
        inner = *opened;
      }
      *backend = sdk::table::expose(std::make_unique<FakePlugin>(host, spec, inner));
      return ESPALIER_OK;
    });
  }

  std::shared_ptr<const FakeBackendSpec> spec_;
  std::uint64_t id_;
};

}  // namespace espalier::mock

#include <fake_builder.hpp>
