// SPDX-License-Identifier: Apache-2.0
#include "xfrm/sa_request.hpp"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "xfrm/addresses.hpp"

namespace espalier::xfrm {
namespace {

constexpr std::uint32_t kBitsOfByte = 8;
constexpr std::uint32_t kShortWindow = 32;  // what fits the kernel's older format
constexpr std::uint32_t kBitsOfWord = 32;

// "hmac(sha1)" and "cbc(aes)" of "authenc(hmac(sha1),cbc(aes))".
struct Pair {
  std::string_view integrity, cipher;
};
Pair pair_of(std::string_view kernel_name) {
  constexpr std::string_view begin = "authenc(";
  kernel_name.remove_prefix(begin.size());
  kernel_name.remove_suffix(1);
  const auto comma = kernel_name.find("),") + 1;
  return {kernel_name.substr(0, comma), kernel_name.substr(comma + 1)};
}

// An algorithm of the kernel: its name, numbers, and then a key, which may be of two parts.
template <class Algorithm>
void put_algorithm(Request& request, int type, Algorithm algorithm, std::string_view name,
                   const SecretBytes& key, const SecretBytes& more) {
  const std::size_t size = key.size() + more.size();
  name.copy(algorithm.alg_name, sizeof algorithm.alg_name - 1);
  algorithm.alg_key_len = static_cast<unsigned>(size * kBitsOfByte);
  std::uint8_t* at = request.room(type, sizeof algorithm + size);
  std::memcpy(at, &algorithm, sizeof algorithm);
  at = std::ranges::copy(key.view(), at + sizeof algorithm).out;
  std::ranges::copy(more.view(), at);
}

void put_algorithms(Request& request, const TransformInfo& info, const SaKeys& keys) {
  const std::uint32_t icv_bits = info.transform.icv_bytes * kBitsOfByte;
  if (info.transform.integrity == Integrity::none) {
    xfrm_algo_aead aead{};
    aead.alg_icv_len = icv_bits;
    return put_algorithm(request, XFRMA_ALG_AEAD, aead, info.kernel_name, keys.cipher, keys.salt);
  }
  const Pair names = pair_of(info.kernel_name);
  xfrm_algo_auth auth{};
  auth.alg_trunc_len = icv_bits;
  put_algorithm(request, XFRMA_ALG_AUTH_TRUNC, auth, names.integrity, keys.integrity, {});
  put_algorithm(request, XFRMA_ALG_CRYPT, xfrm_algo{}, names.cipher, keys.cipher, keys.salt);
}

void put_replay(Request& request, const SaSpec& sa, xfrm_usersa_info& info) {
  const bool inbound = sa.direction == Direction::inbound;
  // The kernel wants a window of an outbound SA with ESN, too, though nothing uses it.
  const std::uint32_t window = inbound ? sa.replay_window : sa.esn ? kShortWindow : 0;
  if (!sa.esn && window <= kShortWindow) {
    info.replay_window = static_cast<std::uint8_t>(window);
    return;
  }
  const std::uint32_t words = (window + kBitsOfWord - 1) / kBitsOfWord;
  xfrm_replay_state_esn replay{};
  replay.bmp_len = words;
  replay.replay_window = window;
  std::memcpy(request.room(XFRMA_REPLAY_ESN_VAL, sizeof replay + words * sizeof(std::uint32_t)),
              &replay, sizeof replay);
}

void put_encapsulation(Request& request, const SaSpec& sa) {
  if (sa.encapsulation == Encapsulation::none) return;
  const bool out = sa.direction == Direction::outbound;
  xfrm_encap_tmpl encap{};
  encap.encap_type = UDP_ENCAP_ESPINUDP;
  encap.encap_sport = htons(out ? sa.local.port : sa.peer.port);
  encap.encap_dport = htons(out ? sa.peer.port : sa.local.port);
  request.attribute(XFRMA_ENCAP, encap);
}

xfrm_lifetime_cfg lifetime_of(const Lifetime& life) {
  const auto limit = [](std::uint64_t n) { return n == 0 ? XFRM_INF : n; };
  xfrm_lifetime_cfg made{};
  made.soft_byte_limit = limit(life.soft_bytes);
  made.hard_byte_limit = limit(life.hard_bytes);
  made.soft_packet_limit = limit(life.soft_packets);
  made.hard_packet_limit = limit(life.hard_packets);
  made.soft_add_expires_seconds = life.soft_seconds;
  made.hard_add_expires_seconds = life.hard_seconds;
  return made;
}

// The family that goes inside, if it is one; in tunnel mode an SA may carry both.
std::uint16_t inner_family(const SaSpec& sa) {
  const Family first = sa.selectors.front().source.address.family;
  const bool mixed = std::ranges::any_of(sa.selectors, [&](const TrafficSelector& selector) {
    return selector.source.address.family != first;
  });
  return mixed ? std::uint16_t{AF_UNSPEC} : family_number(first);
}

Result<void> check_outer(const SaSpec& sa) {
  const bool other_dscp = sa.outer.dscp.value_or(0) != 0;
  const bool set = sa.outer.dont_fragment == OuterHeader::DontFragment::set;
  if (sa.mode == Mode::transport || (!other_dscp && !set)) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("SA '{}' asks for {} in its outer header, which the kernel cannot: {}",
                          sa.name, set ? "DF always set" : "a DSCP of its own",
                          set ? "it copies DF from the inner packet, or clears it"
                              : "it copies the DSCP from the inner packet, or leaves it zero"));
}

void put_outer(Request& request, const SaSpec& sa, xfrm_usersa_info& info) {
  if (sa.mode == Mode::transport) return;
  if (!sa.outer.ecn) info.flags |= XFRM_STATE_NOECN;
  if (sa.outer.dont_fragment == OuterHeader::DontFragment::clear)
    info.flags |= XFRM_STATE_NOPMTUDISC;
  if (sa.outer.dscp)
    request.attribute(XFRMA_SA_EXTRA_FLAGS, std::uint32_t{XFRM_SA_XFLAG_DONT_ENCAP_DSCP});
}

}  // namespace

void put_offload(Request& request, Direction direction, const OffloadTo& to) {
  if (to.offload == Offload::none) return;
  xfrm_user_offload offload{};
  offload.ifindex = to.interface;
  if (direction == Direction::inbound) offload.flags |= XFRM_OFFLOAD_INBOUND;
  if (to.offload == Offload::packet) offload.flags |= XFRM_OFFLOAD_PACKET;
  request.attribute(XFRMA_OFFLOAD_DEV, offload);
}

xfrm_usersa_id kernel_id(const SaId& id) {
  xfrm_usersa_id made{};
  made.daddr = kernel_address(id.destination);
  made.spi = htonl(id.spi);
  made.family = family_number(id.destination.family);
  made.proto = IPPROTO_ESP;
  return made;
}

SaId id_of(const SaSpec& sa) {
  return {sa.direction == Direction::outbound ? sa.peer.address : sa.local.address, sa.spi};
}

std::string to_string(const SaId& id) {
  return fmt::format("SPI {:#x} to {}", id.spi, espalier::to_string(id.destination));
}

Result<Request> add_sa(const SaSpec& sa, const SaKeys& keys, std::uint32_t reqid,
                       const OffloadTo& offload) {
  const TransformInfo* const transform = transform_info(sa.transform);
  if (transform == nullptr || transform->kernel_name.empty())
    return fail(ErrorCode::unsupported,
                fmt::format("the kernel has no {}", espalier::to_string(sa.transform)));
  if (auto outer = check_outer(sa); !outer) return std::unexpected(outer.error());
  const SaId id = id_of(sa);
  const bool out = sa.direction == Direction::outbound;
  xfrm_usersa_info info{};
  info.id.daddr = kernel_address(id.destination);
  info.id.spi = htonl(id.spi);
  info.id.proto = IPPROTO_ESP;
  info.saddr = kernel_address(out ? sa.local.address : sa.peer.address);
  info.family = family_number(sa.family());
  info.mode = sa.mode == Mode::tunnel ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
  info.reqid = reqid;
  info.lft = lifetime_of(*sa.lifetime);
  info.sel.family = sa.mode == Mode::tunnel ? inner_family(sa) : info.family;
  if (info.sel.family == AF_UNSPEC) info.flags |= XFRM_STATE_AF_UNSPEC;
  if (sa.esn) info.flags |= XFRM_STATE_ESN;

  // The fixed part comes first, and is written last: what follows completes it.
  Request request(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL);
  request.fixed(info);
  put_algorithms(request, *transform, keys);
  put_replay(request, sa, info);
  put_encapsulation(request, sa);
  put_outer(request, sa, info);
  put_offload(request, sa.direction, offload);
  std::memcpy(NLMSG_DATA(&request.header()), &info, sizeof info);
  return request;
}

Request delete_sa(const SaId& id) {
  Request request(XFRM_MSG_DELSA, 0);
  request.fixed(kernel_id(id));
  return request;
}

Request get_sa(const SaId& id) {
  Request request(XFRM_MSG_GETSA, 0);
  request.fixed(kernel_id(id));
  return request;
}

// A dump has no fixed part.
Request dump_sas() {
  Request request(XFRM_MSG_GETSA, NLM_F_DUMP);
  request.attribute(XFRMA_PROTO, std::uint8_t{IPPROTO_ESP});
  return request;
}

}  // namespace espalier::xfrm
