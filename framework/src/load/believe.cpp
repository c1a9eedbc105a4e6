// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/believe.hpp>
#include <load/text.hpp>

#include <string_view>
#include <utility>

namespace espalier::load {
namespace {

constexpr std::uint32_t kIcvBits =
    ESPALIER_ICV(8) | ESPALIER_ICV(12) | ESPALIER_ICV(16) | ESPALIER_ICV(24) | ESPALIER_ICV(32);

std::unexpected<Error> lie(std::string words) { return fail(ErrorCode::invalid, std::move(words)); }

std::unexpected<Error> unreadable(std::string_view what) {
  return lie(fmt::format("its {} is not NUL-terminated printable ASCII", what));
}

template <class T>
Result<void> check_size(const T& said, std::string_view what) {
  if (said.struct_size >= sizeof(T)) return {};
  return lie(
      fmt::format("its {} says struct_size {} instead of {}", what, said.struct_size, sizeof(T)));
}

Result<void> in_range(std::uint32_t value, std::uint32_t low, std::uint32_t high,
                      std::string_view what) {
  if (value >= low && value <= high) return {};
  return lie(fmt::format("its {} is {}, which is not of {} to {}", what, value, low, high));
}

// At least one bit, and none that the ABI does not know.
Result<void> bits_of(std::uint32_t value, std::uint32_t known, std::string_view what) {
  if (value != 0 && (value & ~known) == 0) return {};
  return lie(fmt::format("its {} are {:#x}, which is not a set of {:#x}", what, value, known));
}

Result<void> first_of(std::initializer_list<Result<void>> checks) {
  for (const auto& check : checks)
    if (!check) return check;
  return {};
}

bool is_aead(Cipher cipher) {
  return cipher == Cipher::aes_gcm || cipher == Cipher::chacha20_poly1305 ||
         cipher == Cipher::aes_gmac;
}

Result<void> check_pairing(const espalier_capability& said) {
  if (is_aead(Cipher(said.cipher)) == (said.integrity == ESPALIER_INTEGRITY_NONE)) return {};
  return lie(
      fmt::format("it pairs cipher {} with integrity {}: AEAD ciphers have none, all others "
                  "need one",
                  said.cipher, said.integrity));
}

}  // namespace

Result<Device> believe(const espalier_device_info& said) {
  constexpr std::uint32_t kFlags = ESPALIER_DEVICE_ASYNC | ESPALIER_DEVICE_NEEDS_DMA;
  if (auto size = check_size(said, "device info"); !size) return std::unexpected(size.error());
  const auto name = field_text(said.name);
  const auto description = field_text(said.description);
  const auto interface = field_text(said.interface);
  if (!name || name->empty() || name->contains(' '))
    return unreadable("device name (which has no spaces, and is never empty)");
  if (!description) return unreadable(fmt::format("description of device '{}'", *name));
  if (!interface) return unreadable(fmt::format("interface of device '{}'", *name));
  if (auto ok = in_range(said.dataplane, ESPALIER_KERNEL, ESPALIER_USERSPACE, "dataplane"); !ok)
    return std::unexpected(ok.error());
  if ((said.flags & ~kFlags) != 0)
    return lie(fmt::format("its flags are {:#x}, which is not a set of {:#x}", said.flags, kFlags));
  Device device;
  device.name = *name;
  device.description = *description;
  device.interface = *interface;
  device.id = said.id;
  device.dataplane = Dataplane(said.dataplane);
  device.asynchronous = (said.flags & ESPALIER_DEVICE_ASYNC) != 0;
  device.needs_dma = (said.flags & ESPALIER_DEVICE_NEEDS_DMA) != 0;
  device.numa_node = said.numa_node < 0 ? -1 : said.numa_node;
  return device;
}

Result<Capability> believe(const espalier_capability& said) {
  const auto checked = first_of({
      check_size(said, "capability"),
      in_range(said.cipher, ESPALIER_CIPHER_NULL, ESPALIER_CIPHER_AES_GMAC, "cipher"),
      in_range(said.integrity, ESPALIER_INTEGRITY_NONE, ESPALIER_INTEGRITY_HMAC_SHA512,
               "integrity"),
      check_pairing(said),
      bits_of(said.key_bits,
              ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256 | ESPALIER_KEY_ANY,
              "key_bits"),
      bits_of(said.icv_bytes, kIcvBits, "icv_bytes"),
      bits_of(said.directions, ESPALIER_OUTBOUND | ESPALIER_INBOUND, "directions"),
      bits_of(said.modes, ESPALIER_TUNNEL | ESPALIER_TRANSPORT, "modes"),
      bits_of(said.encapsulations, ESPALIER_ENCAP_NONE | ESPALIER_ENCAP_UDP, "encapsulations"),
      bits_of(said.families, ESPALIER_IPV4 | ESPALIER_IPV6, "families"),
      in_range(said.esn, 1, 3, "esn"),
      in_range(said.score, 0, kMaxScore, "score"),
  });
  if (!checked) return std::unexpected(checked.error());
  return Capability{.cipher = Cipher(said.cipher),
                    .integrity = Integrity(said.integrity),
                    .key_bits = said.key_bits,
                    .icv_bytes = said.icv_bytes,
                    .directions = said.directions,
                    .modes = said.modes,
                    .encapsulations = said.encapsulations,
                    .families = said.families,
                    .esn = said.esn,
                    .max_replay_window = said.max_replay_window,
                    .max_length = said.max_length,
                    .score = said.score};
}

Result<CapacityPool> believe(const espalier_pool& said) {
  const auto checked = first_of({
      check_size(said, "capacity pool"),
      in_range(said.kind, ESPALIER_POOL_SAS, ESPALIER_POOL_MBPS, "kind of pool"),
      bits_of(said.directions, ESPALIER_OUTBOUND | ESPALIER_INBOUND, "directions of a pool"),
      in_range(said.use, ESPALIER_USE_LIVE, ESPALIER_USE_UNKNOWN, "use of a pool"),
  });
  if (!checked) return std::unexpected(checked.error());
  const auto name = field_text(said.name);
  if (!name || name->empty()) return unreadable("name of a pool (which is never empty)");
  if (said.use == ESPALIER_USE_LIVE && said.used > said.capacity)
    return lie(fmt::format("its pool '{}' has {} of {} in use", *name, said.used, said.capacity));
  return CapacityPool{.name = *name,
                      .kind = PoolKind(said.kind),
                      .directions = said.directions,
                      .use = PoolUse(said.use),
                      .capacity = said.capacity,
                      .used = said.use == ESPALIER_USE_LIVE ? said.used : 0};
}

Result<void> believe(const espalier_health& said, Device& device) {
  if (auto size = check_size(said, "health"); !size) return size;
  if (auto known = in_range(said.state, ESPALIER_UP, ESPALIER_GONE, "state"); !known) return known;
  const auto reason = field_text(said.reason);
  if (!reason) return unreadable("reason for its state");
  device.state = DeviceState(said.state);
  device.state_reason = *reason;
  return {};
}

Result<Recipe> believe(const espalier_recipe& said, const Device& device) {
  const auto interface = field_text(said.interface);
  const auto driver = field_text(said.driver);
  const auto module = field_text(said.module);
  if (!interface || !driver || !module) return unreadable("recipe");
  if (auto known = in_range(said.offload, 0, ESPALIER_OFFLOAD_PACKET, "recipe's offload"); !known)
    return std::unexpected(known.error());
  const auto offload = static_cast<Offload>(said.offload);
  if (offload != Offload::none && interface->empty())
    return lie("its recipe offloads to no interface");
  if (!device.interface.empty() && !interface->empty() && *interface != device.interface)
    return lie(fmt::format("its recipe is for the interface {}, and its device is {}", *interface,
                           device.interface));
  return Recipe{offload, *interface, *driver, *module};
}

}  // namespace espalier::load
