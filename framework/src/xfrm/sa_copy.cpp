// SPDX-License-Identifier: Apache-2.0
#include "xfrm/sa_copy.hpp"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "xfrm/addresses.hpp"
#include "xfrm/sa_request.hpp"

namespace espalier::xfrm {
namespace {

constexpr int kDirection = 33;  // XFRMA_SA_DIR, which older headers lack

// What is given back as it was told.
constexpr std::array kKept = {
    int{XFRMA_ALG_AEAD},      int{XFRMA_ALG_AUTH}, int{XFRMA_ALG_AUTH_TRUNC}, int{XFRMA_ALG_CRYPT},
    int{XFRMA_ENCAP},         int{XFRMA_IF_ID},    int{XFRMA_SA_EXTRA_FLAGS}, int{XFRMA_SET_MARK},
    int{XFRMA_SET_MARK_MASK}, kDirection};
// What says nothing of the SA's nature, or is put together anew.
constexpr std::array kMade = {int{XFRMA_LASTUSED}, int{XFRMA_PAD}, int{XFRMA_REPLAY_VAL},
                              int{XFRMA_REPLAY_ESN_VAL}, int{XFRMA_OFFLOAD_DEV}};

bool is_among(std::span<const int> all, int type) { return std::ranges::count(all, type) > 0; }

Error cannot(std::string what) { return {ErrorCode::unsupported, std::move(what)}; }

std::optional<Error> check(const SaState& state, const Attributes& attributes) {
  if (state.protocol != IPPROTO_ESP) return cannot("it is no ESP");
  if (state.esn) return cannot("it has ESN, whose numbers a card is told just once");
  if (state.redacted) return cannot("the kernel hides its keys (lockdown)");
  for (const int type : attributes.types())
    if (!is_among(kKept, type) && !is_among(kMade, type))
      return cannot(
          fmt::format("it has an attribute (XFRM {}) that Espalier does not put back", type));
  const auto flags = attributes.value<std::uint32_t>(XFRMA_SA_EXTRA_FLAGS).value_or(0);
  if ((flags & XFRM_SA_XFLAG_OSEQ_MAY_WRAP) != 0)
    return cannot("its sequence numbers are allowed to wrap");
  return std::nullopt;
}

}  // namespace

std::optional<LastOf> read_last(const Message& deleted) {
  if (deleted.type != XFRM_MSG_DELSA) return std::nullopt;
  const auto attributes = Attributes::of(deleted.payload.view(), sizeof(xfrm_usersa_id));
  if (!attributes) return std::nullopt;
  auto numbers = read_numbers(*attributes);
  const auto info = attributes->value<xfrm_usersa_info>(XFRMA_SA);
  if (!numbers || !info) return std::nullopt;
  const auto* const carried = reinterpret_cast<const std::uint8_t*>(&info->curlft);
  return LastOf{std::move(*numbers), SecretBuffer({carried, sizeof info->curlft})};
}

Result<SaCopy> SaCopy::of(const Message& told, Direction direction) {
  const auto news = read_sa(told);
  const auto attributes = Attributes::of(told.payload.view(), sizeof(xfrm_usersa_info));
  const bool whole = told.type == XFRM_MSG_NEWSA || told.type == XFRM_MSG_UPDSA;
  if (!whole || !news || !attributes)
    return std::unexpected(cannot("what the kernel says of it is no SA"));
  if (auto error = check(news->state, *attributes)) return std::unexpected(std::move(*error));
  auto numbers = read_numbers(*attributes);
  if (!numbers) return std::unexpected(cannot("the kernel does not say its numbers"));
  SaCopy copy;
  copy.direction_ = direction;
  copy.id_ = news->state.id;
  copy.numbers_ = std::move(*numbers);
  const auto way = attributes->value<std::uint8_t>(kDirection).value_or(0);
  if (way == 1) copy.way_ = SaNumbers::Way::in;
  if (way == 2) copy.way_ = SaNumbers::Way::out;
  copy.told_ = SecretBuffer(told.payload.view());
  return copy;
}

SecretBuffer SaCopy::carried() const {
  const auto info = *fixed_part<xfrm_usersa_info>(told_.view());
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&info.curlft);
  return SecretBuffer({bytes, sizeof info.curlft});
}

// Its age goes on, since the kernel counts its seconds from when it was first added. That it has
// carried nothing is how a closed one is known.
Request SaCopy::add_closed(const OffloadTo& offload) const {
  auto info = *fixed_part<xfrm_usersa_info>(told_.view());
  auto carried = info.curlft;
  carried.packets = carried.bytes = 0;
  info.curlft = {};
  info.stats = {};
  Request request(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL);
  request.fixed(info);
  const auto attributes = *Attributes::of(told_.view(), sizeof info);
  for (const int type : kKept) {
    const auto bytes = attributes.bytes(type);
    if (!bytes.empty()) std::ranges::copy(bytes, request.room(type, bytes.size()));
  }
  put_numbers(request, numbers_.close(way_));
  request.attribute(XFRMA_LTIME_VAL, carried);
  put_offload(request, direction_, offload);
  return request;
}

Request open_sa(const SaId& id, const LastOf& last) {
  xfrm_aevent_id event{};
  event.sa_id = kernel_id(id);
  Request request(XFRM_MSG_NEWAE, NLM_F_REPLACE);
  request.fixed(event);
  put_numbers(request, last.numbers);
  const auto carried = last.carried.view();
  std::ranges::copy(carried, request.room(XFRMA_LTIME_VAL, carried.size()));
  return request;
}

Request expire_softly(const SaState& sa) {
  xfrm_user_expire expire{};
  const auto id = kernel_id(sa.id);
  expire.state.id.daddr = id.daddr;
  expire.state.id.spi = id.spi;
  expire.state.id.proto = id.proto;
  expire.state.family = id.family;
  expire.state.saddr = kernel_address(sa.source);
  expire.state.reqid = sa.reqid;
  Request request(XFRM_MSG_EXPIRE, 0);
  request.fixed(expire);
  return request;
}

}  // namespace espalier::xfrm
