// SPDX-License-Identifier: Apache-2.0
#include "adopt/recognise.hpp"

#include "xfrm/addresses.hpp"
#include "xfrm/sa_state.hpp"
#include "xfrm/wide_replay.hpp"

#include <arpa/inet.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

namespace espalier::adopt {
namespace {

constexpr int kDirection = 33;  // XFRMA_SA_DIR, which older headers lack
constexpr std::uint32_t kBitsOfByte = 8;

struct Algorithms {
  std::string name;  // as TransformInfo::kernel_name
  std::uint32_t key_bits = 0, integrity_key_bits = 0, icv_bits = 0;
};

// xfrm_algo, xfrm_algo_aead and xfrm_algo_auth without their keys.
struct Keyed {
  char name[64];
  std::uint32_t key_bits;
};
struct Checked {
  char name[64];
  std::uint32_t key_bits, icv_bits;
};
static_assert(sizeof(Keyed) == sizeof(xfrm_algo) && sizeof(Checked) == sizeof(xfrm_algo_aead) &&
              sizeof(Checked) == sizeof(xfrm_algo_auth));

template <class Algorithm>
std::string name_of(const Algorithm& algorithm) {
  return {std::begin(algorithm.name),
          std::find(std::begin(algorithm.name), std::end(algorithm.name), 0)};
}

std::optional<Algorithms> algorithms_of(const xfrm::Attributes& attributes) {
  if (const auto aead = attributes.value<Checked>(XFRMA_ALG_AEAD))
    return Algorithms{name_of(*aead), aead->key_bits, 0, aead->icv_bits};
  const auto cipher = attributes.value<Keyed>(XFRMA_ALG_CRYPT);
  const auto hash = attributes.value<Checked>(XFRMA_ALG_AUTH_TRUNC);
  if (!cipher || !hash) return std::nullopt;
  return Algorithms{fmt::format("authenc({},{})", name_of(*hash), name_of(*cipher)),
                    cipher->key_bits, hash->key_bits, hash->icv_bits};
}

Result<Transform> transform_of(const xfrm::Attributes& attributes) {
  const auto used = algorithms_of(attributes);
  if (!used)
    return fail(ErrorCode::unsupported, "it has no keys (yet), or not both that ESP needs");
  for (const TransformInfo& info : transforms())
    if (info.kernel_name == used->name &&
        info.transform.icv_bytes * kBitsOfByte == used->icv_bits &&
        (info.cipher_key_bytes + info.salt_bytes) * kBitsOfByte == used->key_bits &&
        info.integrity_key_bytes * kBitsOfByte == used->integrity_key_bits)
      return info.transform;
  return fail(ErrorCode::unsupported,
              fmt::format("Espalier knows no transform {} with a key of {} bits and an ICV of {}",
                          used->name, used->key_bits, used->icv_bits));
}

Result<Direction> direction_of(const xfrm::Attributes& attributes, const xfrm::SaState& state,
                               const IsLocal& is_local) {
  if (const auto way = attributes.value<std::uint8_t>(kDirection))
    return *way == 1 ? Direction::inbound : Direction::outbound;
  const bool from_here = is_local(state.source), to_here = is_local(state.id.destination);
  if (from_here != to_here) return to_here ? Direction::inbound : Direction::outbound;
  return fail(ErrorCode::unsupported,
              fmt::format("{} of its ends {} this machine's, so that its direction is not known",
                          from_here ? "both" : "none", from_here ? "are" : "is"));
}

Endpoint endpoint(const IpAddress& address, std::uint16_t port) { return {address, ntohs(port)}; }

void put_ends(const xfrm::Attributes& attributes, const xfrm::SaState& state, SaSpec& sa) {
  const auto encap = attributes.value<xfrm_encap_tmpl>(XFRMA_ENCAP);
  sa.encapsulation = encap ? Encapsulation::udp : Encapsulation::none;
  const auto source = endpoint(state.source, encap ? encap->encap_sport : std::uint16_t{0});
  const auto destination =
      endpoint(state.id.destination, encap ? encap->encap_dport : std::uint16_t{0});
  const bool out = sa.direction == Direction::outbound;
  sa.local = out ? source : destination;
  sa.peer = out ? destination : source;
}

// The kernel checks the SA's own; most have none, and their policies say what passes.
TrafficSelector selector_of(const xfrm_usersa_info& info) {
  TrafficSelector selector;
  const xfrm_selector& own = info.sel;
  const int family = own.family == 0 ? info.family : own.family;
  selector.source = {xfrm::address_of(own.saddr, family), own.prefixlen_s};
  selector.destination = {xfrm::address_of(own.daddr, family), own.prefixlen_d};
  selector.protocol = own.proto;
  return selector;
}

std::uint32_t window_of(const xfrm::Attributes& attributes, const xfrm_usersa_info& info) {
  const auto wide = attributes.value<xfrm::WideReplay>(XFRMA_REPLAY_ESN_VAL);
  return wide ? wide->window : info.replay_window;
}

}  // namespace

Result<SaSpec> recognise(const xfrm::Message& told, const IsLocal& is_local) {
  const auto payload = told.payload.view();
  const auto news = xfrm::read_sa(told);
  const auto info = xfrm::fixed_part<xfrm_usersa_info>(payload);
  const auto attributes = xfrm::Attributes::of(payload, sizeof(xfrm_usersa_info));
  const bool whole = news && info && attributes;
  if (!whole || news->state.protocol != IPPROTO_ESP)
    return fail(ErrorCode::unsupported, "it is no ESP");
  if (info->mode != XFRM_MODE_TUNNEL && info->mode != XFRM_MODE_TRANSPORT)
    return fail(ErrorCode::unsupported, "its mode is neither tunnel nor transport");
  SaSpec sa;
  const auto transform = transform_of(*attributes);
  if (!transform) return std::unexpected(transform.error());
  const auto direction = direction_of(*attributes, news->state, is_local);
  if (!direction) return std::unexpected(direction.error());
  sa.transform = *transform;
  sa.direction = *direction;
  sa.spi = news->state.id.spi;
  sa.mode = news->state.mode;
  sa.esn = news->state.esn;
  sa.replay_window = window_of(*attributes, *info);
  sa.selectors = {selector_of(*info)};
  put_ends(*attributes, news->state, sa);
  sa.name = fmt::format("{}/{}/{:08x}", to_string(sa.peer.address),
                        sa.direction == Direction::outbound ? "out" : "in", sa.spi);
  return sa;
}

}  // namespace espalier::adopt
