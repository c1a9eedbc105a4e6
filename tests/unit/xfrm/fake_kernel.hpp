// SPDX-License-Identifier: Apache-2.0
//
// A kernel for tests: takes requests as the real one does, keeps SAs and policies, and refuses,
// loses or mistreats what a test tells it to. Reads what it is sent by the kernel's own structs.
#pragma once

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "xfrm/transport.hpp"

namespace espalier::xfrm {

class FakeKernel final : public Transport {
 public:
  struct Sa {
    xfrm_usersa_info info{};
    std::optional<xfrm_user_offload> offload{};
    std::string bytes;  // the whole request behind its header
  };

  // What to say to a request before it is looked at; error 0: go on.
  using Script = std::function<Answer(std::uint16_t type, std::span<const std::uint8_t> payload)>;
  Script script = [](std::uint16_t, std::span<const std::uint8_t>) { return Answer{}; };
  bool silent_software = false;  // takes SAs with offload, and offloads none
  std::vector<int> dump_errors;  // of the next dumps
  bool dead = false;             // talks to nobody any more
  std::map<std::string, int> interfaces = {{"eth0", 2}};

  std::map<std::uint32_t, Sa> sas;              // by SPI
  std::map<std::string, std::string> policies;  // selector and way, to the whole request
  std::vector<std::uint16_t> asked;             // types, in order
  std::vector<std::size_t> exchanges;           // how many requests each had

  Result<std::vector<Answer>> exchange(std::span<Request> requests) override {
    exchanges.push_back(requests.size());
    if (dead) return fail(ErrorCode::io, "the kernel does not answer");
    std::vector<Answer> answers;
    for (const Request& request : requests) answers.push_back(answer(request));
    return answers;
  }

  std::uint32_t port() const noexcept override { return 1; }

  int interface_index(const std::string& name) override {
    const auto found = interfaces.find(name);
    return found == interfaces.end() ? 0 : found->second;
  }

  // A message about this SA as the kernel sends it.
  static Message message_of(std::uint16_t type, const Sa& sa) {
    Request made(type, 0);
    made.fixed(sa.info);
    if (sa.offload) made.attribute(XFRMA_OFFLOAD_DEV, *sa.offload);
    return {type, 0, SecretBuffer(made.bytes().subspan(NLMSG_HDRLEN))};
  }

 private:
  Answer answer(const Request& request) {
    const nlmsghdr& header = request.header();
    const auto payload = request.bytes().subspan(NLMSG_HDRLEN);
    asked.push_back(header.nlmsg_type);
    if (Answer said = script(header.nlmsg_type, payload); said.error != 0) return said;
    switch (header.nlmsg_type) {
      case XFRM_MSG_NEWSA:
        return add(payload);
      case XFRM_MSG_DELSA:
        return {sas.erase(spi_of(payload)) == 0 ? ESRCH : 0, "", {}};
      case XFRM_MSG_GETSA:
        return (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP ? dump() : get(payload);
      case XFRM_MSG_NEWPOLICY:
      case XFRM_MSG_UPDPOLICY:
        return add_policy(payload, header.nlmsg_type == XFRM_MSG_UPDPOLICY);
      case XFRM_MSG_GETPOLICY:
        return dump_policies();
      case XFRM_MSG_DELPOLICY:
        return delete_policy(payload);
      default:
        return {EINVAL, "", {}};
    }
  }

  static std::uint32_t spi_of(std::span<const std::uint8_t> payload) {
    return __builtin_bswap32(fixed_part<xfrm_usersa_id>(payload)->spi);
  }

  Answer add(std::span<const std::uint8_t> payload) {
    Sa sa;
    sa.info = *fixed_part<xfrm_usersa_info>(payload);
    const auto attributes = Attributes::of(payload, sizeof(xfrm_usersa_info));
    if (!silent_software) sa.offload = attributes->value<xfrm_user_offload>(XFRMA_OFFLOAD_DEV);
    sa.bytes.assign(payload.begin(), payload.end());
    const std::uint32_t spi = __builtin_bswap32(sa.info.id.spi);
    return {sas.emplace(spi, std::move(sa)).second ? 0 : EEXIST, "", {}};
  }

  Answer get(std::span<const std::uint8_t> payload) {
    const auto found = sas.find(spi_of(payload));
    if (found == sas.end()) return {ESRCH, "", {}};
    Answer answer;
    answer.messages.push_back(message_of(XFRM_MSG_NEWSA, found->second));
    return answer;
  }

  Answer dump() {
    Answer answer;
    if (!dump_errors.empty()) {
      answer.error = dump_errors.front();
      dump_errors.erase(dump_errors.begin());
    }
    for (const auto& [spi, sa] : sas) answer.messages.push_back(message_of(XFRM_MSG_NEWSA, sa));
    return answer;
  }

  static std::string name_of(const xfrm_selector& selector, std::uint8_t way) {
    std::string name(reinterpret_cast<const char*>(&selector), sizeof selector);
    return name + static_cast<char>('0' + way);
  }

  Answer add_policy(std::span<const std::uint8_t> payload, bool replaces) {
    const auto info = fixed_part<xfrm_userpolicy_info>(payload);
    const std::string name = name_of(info->sel, info->dir);
    if (!replaces && policies.contains(name)) return {EEXIST, "", {}};
    policies[name] = std::string(payload.begin(), payload.end());
    return {};
  }

  Answer dump_policies() {
    Answer answer;
    for (const auto& [name, bytes] : policies) {
      const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
      answer.messages.push_back({XFRM_MSG_NEWPOLICY, 0, SecretBuffer({data, bytes.size()})});
    }
    return answer;
  }

  Answer delete_policy(std::span<const std::uint8_t> payload) {
    const auto id = fixed_part<xfrm_userpolicy_id>(payload);
    return {policies.erase(name_of(id->sel, id->dir)) == 0 ? ENOENT : 0, "", {}};
  }
};

}  // namespace espalier::xfrm
