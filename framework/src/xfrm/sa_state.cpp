// SPDX-License-Identifier: Apache-2.0
#include "xfrm/sa_state.hpp"

#include <arpa/inet.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <system_error>

#include "xfrm/addresses.hpp"
#include "xfrm/dump.hpp"
#include "xfrm/refusal.hpp"
#include "xfrm/wide_replay.hpp"

namespace espalier::xfrm {
namespace {

std::uint64_t number(std::uint32_t high, std::uint32_t low) {
  return std::uint64_t{high} << 32 | low;
}

void read_info(const xfrm_usersa_info& info, SaState& state) {
  state.id = {address_of(info.id.daddr, info.family), ntohl(info.id.spi)};
  state.source = address_of(info.saddr, info.family);
  state.protocol = info.id.proto;
  state.reqid = info.reqid;
  state.mode = info.mode == XFRM_MODE_TUNNEL ? Mode::tunnel : Mode::transport;
  state.esn = (info.flags & XFRM_STATE_ESN) != 0;
  state.bytes = info.curlft.bytes;
  state.packets = info.curlft.packets;
  state.too_old = info.stats.replay_window;
  state.replays = info.stats.replay;
  state.bad_icv = info.stats.integrity_failed;
}

// The numbers stand in one of two formats.
void read_replay(const Attributes& attributes, SaState& state) {
  if (const auto wide = attributes.value<WideReplay>(XFRMA_REPLAY_ESN_VAL)) {
    state.sent = number(wide->oseq_hi, wide->oseq);
    state.received = number(wide->seq_hi, wide->seq);
  } else if (const auto old = attributes.value<xfrm_replay_state>(XFRMA_REPLAY_VAL)) {
    state.sent = old->oseq;
    state.received = old->seq;
  }
}

// Whether an algorithm has a key, and that is nothing but zeroes.
template <class Algorithm>
bool is_redacted(std::span<const std::uint8_t> attribute) {
  if (attribute.size() <= sizeof(Algorithm)) return false;
  const auto key = attribute.subspan(sizeof(Algorithm));
  return std::ranges::all_of(key, [](std::uint8_t byte) { return byte == 0; });
}

void read_algorithms(const Attributes& attributes, SaState& state) {
  const auto name = [&](int type) {
    const auto found = attributes.bytes(type);
    const auto text = found.first(std::min(found.size(), sizeof(xfrm_algo::alg_name)));
    return std::string(text.begin(), std::ranges::find(text, std::uint8_t{0}));
  };
  state.algorithm = name(XFRMA_ALG_AEAD);
  if (state.algorithm.empty()) state.algorithm = name(XFRMA_ALG_CRYPT);
  state.redacted = is_redacted<xfrm_algo_aead>(attributes.bytes(XFRMA_ALG_AEAD)) ||
                   is_redacted<xfrm_algo>(attributes.bytes(XFRMA_ALG_CRYPT)) ||
                   is_redacted<xfrm_algo_auth>(attributes.bytes(XFRMA_ALG_AUTH_TRUNC));
}

void read_attributes(const Attributes& attributes, SaState& state) {
  read_replay(attributes, state);
  read_algorithms(attributes, state);
  const auto offload = attributes.value<xfrm_user_offload>(XFRMA_OFFLOAD_DEV);
  if (!offload || offload->ifindex == 0) return;
  const bool packet = (offload->flags & XFRM_OFFLOAD_PACKET) != 0;
  state.held_by = {offload->ifindex, packet ? Offload::packet : Offload::crypto};
}

// SAs as of NEWSA and EXPIRE, whose fixed parts begin with one and then go on.
std::optional<SaState> read_whole(std::span<const std::uint8_t> payload, std::size_t fixed) {
  const auto info = fixed_part<xfrm_usersa_info>(payload);
  const auto attributes = Attributes::of(payload, fixed);
  if (!info || !attributes) return std::nullopt;
  SaState state;
  read_info(*info, state);
  read_attributes(*attributes, state);
  return state;
}

// DELSA is headed by the SA's identity alone; the rest of it is an attribute.
std::optional<SaState> read_deleted(std::span<const std::uint8_t> payload) {
  const auto id = fixed_part<xfrm_usersa_id>(payload);
  const auto attributes = Attributes::of(payload, sizeof(xfrm_usersa_id));
  if (!id || !attributes) return std::nullopt;
  SaState state;
  if (const auto info = attributes->value<xfrm_usersa_info>(XFRMA_SA)) read_info(*info, state);
  state.id = {address_of(id->daddr, id->family), ntohl(id->spi)};
  state.protocol = id->proto;
  read_attributes(*attributes, state);
  return state;
}

}  // namespace

std::optional<SaNews> read_sa(const Message& message) {
  using Kind = SaNews::Kind;
  const auto payload = message.payload.view();
  const auto news = [](Kind kind, std::optional<SaState> state) -> std::optional<SaNews> {
    if (!state) return std::nullopt;
    return SaNews{kind, std::move(*state)};
  };
  switch (message.type) {
    case XFRM_MSG_NEWSA:
      return news(Kind::is, read_whole(payload, sizeof(xfrm_usersa_info)));
    case XFRM_MSG_UPDSA:
      return news(Kind::updated, read_whole(payload, sizeof(xfrm_usersa_info)));
    case XFRM_MSG_DELSA:
      return news(Kind::deleted, read_deleted(payload));
    case XFRM_MSG_EXPIRE: {
      const auto expire = fixed_part<xfrm_user_expire>(payload);
      const bool hard = expire && expire->hard != 0;
      return news(hard ? Kind::hard_expired : Kind::soft_expired,
                  read_whole(payload, sizeof(xfrm_user_expire)));
    }
    default:
      return std::nullopt;
  }
}

Result<std::vector<SaState>> read_all_sas(Transport& kernel) {
  const auto messages = dump(kernel, dump_sas(), "SAs");
  if (!messages) return std::unexpected(messages.error());
  std::vector<SaState> states;
  for (const Message& message : *messages) {
    auto news = read_sa(message);
    if (news && news->state.protocol == IPPROTO_ESP) states.push_back(std::move(news->state));
  }
  return states;
}

Result<std::vector<std::optional<SaState>>> read_sas(Transport& kernel,
                                                     const std::vector<SaId>& ids) {
  std::vector<Request> requests;
  requests.reserve(ids.size());
  for (const SaId& id : ids) requests.push_back(get_sa(id));
  const auto answers = kernel.exchange(requests);
  if (!answers) return std::unexpected(answers.error());
  std::vector<std::optional<SaState>> states;
  for (const Answer& answer : *answers) {
    std::optional<SaState>& state = states.emplace_back();
    if (answer.error != 0 && answer.error != ESRCH)
      return fail(code_of(answer.error),
                  fmt::format("The kernel's SAs cannot be read: {}.", words_of(answer)));
    for (const Message& message : answer.messages)
      if (auto news = read_sa(message)) state = std::move(news->state);
  }
  return states;
}

}  // namespace espalier::xfrm
