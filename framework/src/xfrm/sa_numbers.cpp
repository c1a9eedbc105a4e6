// SPDX-License-Identifier: Apache-2.0
#include "xfrm/sa_numbers.hpp"

#include <linux/xfrm.h>

#include <algorithm>

#include "xfrm/wide_replay.hpp"

namespace espalier::xfrm {
namespace {

constexpr std::size_t kMostWords = 4096 / 32;  // the kernel's XFRMA_REPLAY_ESN_MAX

}  // namespace

SaNumbers SaNumbers::close(Way way) const {
  SaNumbers made = *this;
  if (way != Way::in) made.sent = kLast;
  if (way == Way::out) return made;
  made.received = kLast;
  std::ranges::fill(made.seen, kLast);
  return made;
}

std::optional<SaNumbers> read_numbers(const Attributes& attributes) {
  SaNumbers numbers;
  const auto bytes = attributes.bytes(XFRMA_REPLAY_ESN_VAL);
  if (bytes.empty()) {
    const auto old = attributes.value<xfrm_replay_state>(XFRMA_REPLAY_VAL);
    if (!old) return std::nullopt;
    return SaNumbers{false, old->oseq, old->seq, 0, {old->bitmap}};
  }
  const auto wide = fixed_part<WideReplay>(bytes);
  if (!wide || wide->oseq_hi != 0 || wide->seq_hi != 0 || wide->words > kMostWords)
    return std::nullopt;
  const auto map = bytes.subspan(sizeof *wide);
  if (map.size() < wide->words * sizeof(std::uint32_t)) return std::nullopt;
  numbers.seen.resize(wide->words);
  if (!numbers.seen.empty())
    std::memcpy(numbers.seen.data(), map.data(), numbers.seen.size() * sizeof(std::uint32_t));
  return SaNumbers{true, wide->oseq, wide->seq, wide->window, std::move(numbers.seen)};
}

void put_numbers(Request& request, const SaNumbers& numbers) {
  if (!numbers.wide) {
    const std::uint32_t seen = numbers.seen.empty() ? 0 : numbers.seen.front();
    request.attribute(XFRMA_REPLAY_VAL, xfrm_replay_state{numbers.sent, numbers.received, seen});
    return;
  }
  const WideReplay state{static_cast<std::uint32_t>(numbers.seen.size()),
                         numbers.sent,
                         numbers.received,
                         0,
                         0,
                         numbers.window};
  const std::size_t map = numbers.seen.size() * sizeof(std::uint32_t);
  auto* const at = request.room(XFRMA_REPLAY_ESN_VAL, sizeof state + map);
  std::memcpy(at, &state, sizeof state);
  if (map > 0) std::memcpy(at + sizeof state, numbers.seen.data(), map);
}

}  // namespace espalier::xfrm
