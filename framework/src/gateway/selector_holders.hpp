// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/sa.hpp>

#include <cstddef>
#include <functional>
#include <unordered_map>

namespace espalier {

// Which outbound SAs protect what: among equal selectors the newest SA gets every packet.
class SelectorHolders {
 public:
  // An SA that is added must stay where it is until it is removed. Inbound ones are left out.
  void add(const SaSpec& sa);
  void remove(const SaSpec& sa);

  // One with a selector of `sa`, but to another peer, that is not to be left out; or nullptr.
  const SaSpec* to_another_peer(const SaSpec& sa,
                                const std::function<bool(const SaSpec&)>& left_out) const;

 private:
  std::unordered_multimap<std::size_t, const SaSpec*> by_selector_;  // by its hash
};

}  // namespace espalier
