// SPDX-License-Identifier: Apache-2.0
#include "steer/crypto_message.hpp"

#include <linux/cryptouser.h>
#include <linux/netlink.h>

#include <cstring>

namespace espalier::steer {
namespace {

// linux/crypto.h; not in the headers for programs.
constexpr std::uint32_t kTypeMask = 0xf;
constexpr std::uint32_t kTypeAead = 3;
constexpr std::uint32_t kLarval = 0x10;
constexpr std::uint32_t kAsync = 0x80;
constexpr std::uint32_t kTested = 0x400;
constexpr std::uint32_t kInternal = 0x2000;

std::uint16_t type_of(CryptoVerb verb) {
  switch (verb) {
    case CryptoVerb::make:
      return CRYPTO_MSG_NEWALG;
    case CryptoVerb::remove:
      return CRYPTO_MSG_DELALG;
    case CryptoVerb::set_priority:
      return CRYPTO_MSG_UPDATEALG;
    case CryptoVerb::get:
    case CryptoVerb::dump:
      return CRYPTO_MSG_GETALG;
  }
  return 0;
}

template <class T>
std::span<std::uint8_t> write(std::span<std::uint8_t> to, const T& value) {
  std::memcpy(to.data(), &value, sizeof value);
  return to.subspan(sizeof value);
}

template <class T>
T read(std::span<const std::uint8_t> from) {
  T value{};
  std::memcpy(&value, from.data(), sizeof value);
  return value;
}

template <std::size_t N>
std::string text_of(const char (&field)[N]) {
  return {field, ::strnlen(field, N)};
}

std::string_view type_name(std::uint32_t flags) {
  if ((flags & kLarval) != 0) return "larval";
  switch (flags & kTypeMask) {
    case 0x1:
      return "cipher";
    case kTypeAead:
      return "aead";
    case 0x4:
      return "lskcipher";
    case 0x5:
      return "skcipher";
    case 0xe:
      return "shash";
    case 0xf:
      return "ahash";
    default:
      return "other";
  }
}

std::optional<std::uint32_t> priority_in(std::span<const std::uint8_t> attributes) {
  while (attributes.size() >= NLA_HDRLEN) {
    const auto header = read<nlattr>(attributes);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > attributes.size()) return std::nullopt;
    if (header.nla_type == CRYPTOCFGA_PRIORITY_VAL && header.nla_len == NLA_HDRLEN + 4)
      return read<std::uint32_t>(attributes.subspan(NLA_HDRLEN));
    attributes =
        attributes.subspan(std::min<std::size_t>(NLA_ALIGN(header.nla_len), attributes.size()));
  }
  return std::nullopt;
}

Algorithm algorithm_in(std::span<const std::uint8_t> payload, bool asked_for_one) {
  const auto said = read<crypto_user_alg>(payload);
  Algorithm found;
  found.name = text_of(said.cru_name);
  found.driver = text_of(said.cru_driver_name);
  found.module = text_of(said.cru_module_name);
  found.type = type_name(said.cru_flags);
  found.priority = priority_in(payload.subspan(sizeof said)).value_or(0);
  // Who asks for one of them holds it meanwhile (crypto_alg_match()).
  found.refcnt = said.cru_refcnt - (asked_for_one && said.cru_refcnt > 0 ? 1 : 0);
  found.internal = (said.cru_flags & kInternal) != 0;
  found.async = (said.cru_flags & kAsync) != 0;
  found.tested = (said.cru_flags & kTested) != 0;
  return found;
}

std::unexpected<Error> garbled() {
  return fail(ErrorCode::io, "the kernel's crypto netlink answered with a message cut short");
}

}  // namespace

Bytes encode(const CryptoRequest& request, std::uint32_t sequence) {
  crypto_user_alg algorithm{};
  std::memcpy(algorithm.cru_driver_name, request.driver.data(),
              std::min(request.driver.size(), sizeof algorithm.cru_driver_name - 1));
  if (request.verb == CryptoVerb::make) {  // without it, pcrypt is not found: EINVAL
    algorithm.cru_type = kTypeAead;
    algorithm.cru_mask = kTypeMask;
  }
  nlmsghdr header{};
  header.nlmsg_len = NLMSG_HDRLEN + sizeof algorithm +
                     (request.priority ? NLA_HDRLEN + sizeof *request.priority : 0);
  header.nlmsg_type = type_of(request.verb);
  header.nlmsg_seq = sequence;
  header.nlmsg_flags = NLM_F_REQUEST;
  header.nlmsg_flags |= request.verb == CryptoVerb::dump  ? NLM_F_DUMP
                        : request.verb == CryptoVerb::get ? 0
                                                          : NLM_F_ACK;
  Bytes bytes(header.nlmsg_len);
  auto room = write(write(std::span(bytes), header), algorithm);
  if (request.priority) {
    room = write(room, nlattr{NLA_HDRLEN + sizeof *request.priority, CRYPTOCFGA_PRIORITY_VAL});
    write(room, *request.priority);
  }
  return bytes;
}

Result<void> decode(std::span<const std::uint8_t> datagram, const CryptoRequest& request,
                    std::uint32_t sequence, CryptoReply& reply) {
  while (datagram.size() >= NLMSG_HDRLEN) {
    const auto header = read<nlmsghdr>(datagram);
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > datagram.size()) return garbled();
    const auto payload = datagram.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
    datagram =
        datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
    if (header.nlmsg_seq != sequence) continue;
    if (header.nlmsg_type == NLMSG_ERROR) {
      if (payload.size() < sizeof(int)) return garbled();
      reply.error = -read<int>(payload);
      reply.ended = true;
    } else if (header.nlmsg_type == NLMSG_DONE) {
      reply.ended = true;
    } else if (header.nlmsg_type == CRYPTO_MSG_GETALG) {
      if (payload.size() < sizeof(crypto_user_alg)) return garbled();
      const bool one = request.verb == CryptoVerb::get;
      reply.algorithms.push_back(algorithm_in(payload, one));
      reply.ended |= one;
    }
  }
  return {};
}

}  // namespace espalier::steer
