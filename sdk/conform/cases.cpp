// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/cases.hpp>

#include <iterator>

namespace espalier::conform {

const std::vector<Case>& all_cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> cases;
    for (const auto theme : {description_cases, manners_cases, session_cases, pool_cases,
                             vector_cases, verdict_cases, queue_cases, thread_cases, life_cases,
                             loss_cases, key_cases, differential_cases, recipe_cases})
      std::ranges::move(theme(), std::back_inserter(cases));
    return cases;
  }();
  return all;
}

void Reference::seal(std::uint64_t session, const Sa& sa, Bytes& packet, std::uint32_t seq_hi) {
  const Spot spot{packet.data(), static_cast<std::uint32_t>(packet.size()), 0};
  auto op = make_op(session, sa, spot, nullptr, seq_hi);
  if (lane_.complete(op) != ESPALIER_OP_DONE)
    throw KitError(
        fmt::format("the reference cannot seal {} bytes of {}", packet.size(), sa.name()));
}

Bytes Reference::sealed(const Sa& sa, Bytes packet, std::uint32_t seq_hi) {
  const auto own = session(sa);
  seal(own, sa, packet, seq_hi);
  close(own);
  return packet;
}

std::string hex(std::span<const std::uint8_t> bytes, std::size_t most) {
  std::string text;
  for (const std::uint8_t byte : bytes.first(std::min(most, bytes.size())))
    text += fmt::format("{:02x}", byte);
  return bytes.size() > most ? text + "..." : text;
}

}  // namespace espalier::conform
