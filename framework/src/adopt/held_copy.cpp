// SPDX-License-Identifier: Apache-2.0
#include "adopt/held_copy.hpp"

#include "xfrm/refusal.hpp"
#include "xfrm/sa_state.hpp"

#include <fmt/format.h>

#include <utility>

namespace espalier::adopt {

std::optional<HeldCopy> HeldCopy::of(const xfrm::Message& told, Direction direction, Time asked) {
  const auto news = xfrm::read_sa(told);
  if (!news || !news->state.held_by || news->state.held_by->offload != Offload::crypto)
    return std::nullopt;
  auto copy = xfrm::SaCopy::of(told, direction);
  if (!copy || copy->numbers().closed()) return std::nullopt;
  return HeldCopy(std::move(*copy), direction, asked);
}

// Its numbers, had it sent at full speed since it was seen; nothing where they end before.
std::optional<xfrm::SaNumbers> HeldCopy::beyond(Time now) const {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(now - asked_).count() + 1;
  xfrm::SaNumbers numbers = copy_.numbers();
  const std::uint64_t left = xfrm::SaNumbers::kLast - numbers.sent;
  if (static_cast<std::uint64_t>(seconds) >= left / kNumbersPerSecond) return std::nullopt;
  numbers.sent +=
      static_cast<std::uint32_t>(static_cast<std::uint64_t>(seconds) * kNumbersPerSecond);
  return numbers;
}

// It is opened only once it is known to be ours: its owner may have put one there meanwhile.
Result<HeldCopy::End> HeldCopy::put_back(xfrm::Transport& kernel, Time now) const {
  auto add = copy_.add_closed({});
  const auto added = kernel.exchange({&add, 1});
  if (!added) return std::unexpected(added.error());
  if (const xfrm::Answer& answer = added->front(); answer.error != 0)
    return fail(xfrm::code_of(answer.error),
                fmt::format("the kernel did not take it back: {}", words_of(answer)));
  const auto numbers = direction_ == Direction::outbound ? beyond(now) : std::nullopt;
  if (!numbers) return End::closed;
  auto open = xfrm::open_sa(copy_.id(), {*numbers, copy_.carried()});
  const auto opened = kernel.exchange({&open, 1});
  return opened && opened->front().error == 0 ? End::goes_on : End::closed;
}

}  // namespace espalier::adopt
