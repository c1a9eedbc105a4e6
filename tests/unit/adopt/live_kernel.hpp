// SPDX-License-Identifier: Apache-2.0
//
// A kernel whose SAs live: they carry packets, their owner adds and deletes them, it tells of all
// that, and it remembers which numbers each key was used with. Requests of one exchange are one
// message to it, so that nobody but packets comes in between.
#pragma once

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "xfrm/event_source.hpp"
#include "xfrm/sa_numbers.hpp"
#include "xfrm/sa_request.hpp"
#include "xfrm/transport.hpp"

namespace espalier::adopt {

class LiveKernel final : public xfrm::Transport, public xfrm::EventSource {
 public:
  static constexpr std::uint32_t kOurs = 1, kOwners = 2;  // ports
  struct Sa {
    std::vector<std::uint8_t> told;  // NEWSA: fixed part, then what is kept of its attributes
    xfrm::SaNumbers numbers;
    std::optional<xfrm_user_offload> offload;
    std::uint64_t packets = 0;
    std::string key;  // by which it encrypts
  };

  // Whoever may act does so: before an exchange, and between its requests, where only packets pass.
  std::function<void()> before = [] {};
  std::function<void()> between = [] {};
  int offload_error = 0;  // of devices, to SAs
  int add_error = 0;      // of the kernel, to our SAs
  int open_error = 0;
  bool silent = false;  // takes offloaded SAs and has no device hold them
  bool deaf = false;    // what it tells is lost
  std::map<std::string, int> interfaces = {{"eth0", 2}};

  std::map<std::uint32_t, Sa> sas;  // by SPI
  std::vector<std::uint16_t> asked;
  std::vector<std::uint32_t> rekeys;  // SPIs whose owner was told of a soft limit
  std::multiset<std::pair<std::string, std::uint32_t>> sent, received;  // key and number

  // ---- The owner's doing
  void add(xfrm::Request request, std::uint16_t event = XFRM_MSG_NEWSA) {
    request.header().nlmsg_pid = kOwners;
    static_cast<void>(put(request.bytes().subspan(NLMSG_HDRLEN), kOwners, event));
  }
  bool remove(std::uint32_t spi) { return take(spi, kOwners); }
  void flush() {  // tells that alone
    sas.clear();
    tell(XFRM_MSG_FLUSHSA, kOwners, xfrm::Request(XFRM_MSG_FLUSHSA, 0));
  }

  // ---- The administrator's: what devices hold is gone, and nobody is told
  void set_down() {
    std::erase_if(sas, [](const auto& sa) { return sa.second.offload.has_value(); });
  }

  // ---- Packets; whether one passes
  bool send(std::uint32_t spi) {
    const auto found = sas.find(spi);
    if (found == sas.end() || found->second.numbers.sent == xfrm::SaNumbers::kLast) return false;
    Sa& sa = found->second;
    sent.emplace(sa.key, ++sa.numbers.sent);
    ++sa.packets;
    return true;
  }
  bool receive(std::uint32_t spi, std::uint32_t number) {
    const auto found = sas.find(spi);
    if (found == sas.end()) return false;
    Sa& sa = found->second;
    std::uint32_t& seen = sa.numbers.seen.front();  // of a window of 32
    if (number > sa.numbers.received) {
      const std::uint32_t step = number - sa.numbers.received;
      seen = step < 32 ? seen << step | 1U : 1U;
      sa.numbers.received = number;
    } else {
      const std::uint32_t back = sa.numbers.received - number;
      if (back >= 32 || (seen >> back & 1U) != 0) return false;
      seen |= 1U << back;
    }
    received.emplace(sa.key, number);
    ++sa.packets;
    return true;
  }
  static bool all_once(const std::multiset<std::pair<std::string, std::uint32_t>>& used) {
    return std::set(used.begin(), used.end()).size() == used.size();
  }

  // ---- What we see of it
  Result<std::vector<xfrm::Answer>> exchange(std::span<xfrm::Request> requests) override {
    before();
    std::vector<xfrm::Answer> answers;
    for (const xfrm::Request& request : requests) {
      if (!answers.empty()) between();
      answers.push_back(answer(request));
    }
    return answers;
  }
  std::uint32_t port() const noexcept override { return kOurs; }
  int interface_index(const std::string& name) override {
    const auto found = interfaces.find(name);
    return found == interfaces.end() ? 0 : found->second;
  }
  xfrm::Heard hear() override {
    xfrm::Heard heard{std::move(events_), std::exchange(lost, false)};
    events_.clear();
    return heard;
  }
  bool lost = false;

  xfrm::Message message_of(const Sa& sa) const {
    xfrm::Request made(XFRM_MSG_NEWSA, 0);
    put_told(made, sa);
    return {XFRM_MSG_NEWSA, kOurs, xfrm::SecretBuffer(made.bytes().subspan(NLMSG_HDRLEN))};
  }
  bool is_closed(std::uint32_t spi) const { return sas.at(spi).numbers.closed(); }
  bool is_offloaded(std::uint32_t spi) const { return sas.at(spi).offload.has_value(); }

 private:
  static std::uint32_t spi_of(const xfrm_id& id) { return __builtin_bswap32(id.spi); }

  void put_attributes(xfrm::Request& made, const Sa& sa) const {
    const auto all = *xfrm::Attributes::of(sa.told, sizeof(xfrm_usersa_info));
    for (const int type : all.types()) {
      const auto bytes = all.bytes(type);
      std::memcpy(made.room(type, bytes.size()), bytes.data(), bytes.size());
    }
    xfrm::put_numbers(made, sa.numbers);
    if (sa.offload) made.attribute(XFRMA_OFFLOAD_DEV, *sa.offload);
  }
  static xfrm_usersa_info info_of(const Sa& sa) {
    auto info = *xfrm::fixed_part<xfrm_usersa_info>(sa.told);
    info.curlft.packets = sa.packets;
    return info;
  }
  void put_told(xfrm::Request& made, const Sa& sa) const {
    made.fixed(info_of(sa));
    put_attributes(made, sa);
  }
  void tell(std::uint16_t type, std::uint32_t port, const xfrm::Request& made) {
    if (!deaf)
      events_.push_back({type, port, xfrm::SecretBuffer(made.bytes().subspan(NLMSG_HDRLEN))});
  }

  xfrm::Answer answer(const xfrm::Request& request) {
    const auto payload = request.bytes().subspan(NLMSG_HDRLEN);
    const auto type = request.header().nlmsg_type;
    asked.push_back(type);
    switch (type) {
      case XFRM_MSG_NEWSA:
        return {put(payload, kOurs, XFRM_MSG_NEWSA), "", {}};
      case XFRM_MSG_DELSA:
        return {take(spi_of_id(payload), kOurs) ? 0 : ESRCH, "", {}};
      case XFRM_MSG_GETSA:
        return get(payload, (request.header().nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP);
      case XFRM_MSG_NEWAE:
        return {open(payload), "", {}};
      case XFRM_MSG_EXPIRE:
        return {expire(payload), "", {}};
      default:
        return {EINVAL, "", {}};
    }
  }
  static std::uint32_t spi_of_id(std::span<const std::uint8_t> payload) {
    return __builtin_bswap32(xfrm::fixed_part<xfrm_usersa_id>(payload)->spi);
  }

  int put(std::span<const std::uint8_t> payload, std::uint32_t port, std::uint16_t event) {
    const auto all = *xfrm::Attributes::of(payload, sizeof(xfrm_usersa_info));
    const auto info = *xfrm::fixed_part<xfrm_usersa_info>(payload);
    const std::uint32_t spi = spi_of(info.id);
    if (sas.contains(spi)) return EEXIST;
    if (port == kOurs && add_error != 0) return add_error;
    const auto offload = all.value<xfrm_user_offload>(XFRMA_OFFLOAD_DEV);
    if (offload && offload_error != 0) return offload_error;
    Sa sa;
    xfrm::Request kept(XFRM_MSG_NEWSA, 0);
    kept.fixed(info);
    for (const int type : all.types()) {
      if (type == XFRMA_OFFLOAD_DEV || type == XFRMA_REPLAY_VAL || type == XFRMA_LTIME_VAL ||
          type == XFRMA_REPLAY_ESN_VAL)
        continue;
      const auto bytes = all.bytes(type);
      std::memcpy(kept.room(type, bytes.size()), bytes.data(), bytes.size());
      if (type == XFRMA_ALG_AEAD || type == XFRMA_ALG_CRYPT)
        sa.key.assign(bytes.begin(), bytes.end());
    }
    const auto told = kept.bytes().subspan(NLMSG_HDRLEN);
    sa.told.assign(told.begin(), told.end());
    sa.numbers = xfrm::read_numbers(all).value_or(xfrm::SaNumbers{});
    if (!silent) sa.offload = offload;
    const auto& there = sas.emplace(spi, std::move(sa)).first->second;
    xfrm::Request news(event, 0);
    put_told(news, there);
    tell(event, port, news);
    return 0;
  }

  bool take(std::uint32_t spi, std::uint32_t port) {
    const auto found = sas.find(spi);
    if (found == sas.end()) return false;
    const auto info = info_of(found->second);
    xfrm_usersa_id id{info.id.daddr, info.id.spi, info.family, info.id.proto};
    xfrm::Request news(XFRM_MSG_DELSA, 0);
    news.fixed(id).attribute(XFRMA_SA, info);
    put_attributes(news, found->second);
    tell(XFRM_MSG_DELSA, port, news);
    sas.erase(found);
    return true;
  }

  xfrm::Answer get(std::span<const std::uint8_t> payload, bool all) {
    xfrm::Answer answer;
    if (all) {
      for (const auto& [spi, sa] : sas) answer.messages.push_back(message_of(sa));
      return answer;
    }
    const auto found = sas.find(spi_of_id(payload));
    if (found == sas.end()) return {ESRCH, "", {}};
    answer.messages.push_back(message_of(found->second));
    return answer;
  }

  int open(std::span<const std::uint8_t> payload) {
    const auto event = *xfrm::fixed_part<xfrm_aevent_id>(payload);
    const auto found = sas.find(__builtin_bswap32(event.sa_id.spi));
    if (found == sas.end()) return ESRCH;
    if (open_error != 0) return open_error;
    found->second.numbers =
        *xfrm::read_numbers(*xfrm::Attributes::of(payload, sizeof(xfrm_aevent_id)));
    return 0;
  }

  int expire(std::span<const std::uint8_t> payload) {
    const auto expire = *xfrm::fixed_part<xfrm_user_expire>(payload);
    const std::uint32_t spi = spi_of(expire.state.id);
    if (!sas.contains(spi)) return ESRCH;
    rekeys.push_back(spi);
    return 0;
  }

  std::vector<xfrm::Message> events_;
};

}  // namespace espalier::adopt
