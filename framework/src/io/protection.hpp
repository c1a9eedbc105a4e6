// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/descriptor.hpp"
#include "io/nftables.hpp"
#include "io/protection_rules.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace espalier::io {

// The rules of protection_rules.hpp in the kernel. They stay there when the process dies, until
// the next gateway of the site takes them over. One gateway of a site can have them in a network
// namespace. [control]
class Protection {
 public:
  // Sets them up. Rules of a gateway that died are left as they are until commit().
  static Result<std::unique_ptr<Protection>> begin(ProtectionRules rules);
  // That no other gateway of the site lives here, for as long as the descriptor does; begin() takes
  // it itself. conflict: one does.
  static Result<Descriptor> lock(const std::string& site);
  // For who holds the lock and needs no rules: takes away what a gateway that died has left. Gives
  // whether there was something.
  static Result<bool> clear_away(const std::string& site);
  // The start is complete: rules that were found give way to these, at once.
  Result<void> commit();

  // In a time that does not depend on how many hosts there are. What the kernel refused is made
  // good by the next change, or restore().
  Result<void> follow(const NetworksChange& change);
  // Sets them up again if somebody took the table or rules of it away, or changed them; gives
  // whether that was so. Where no nftables rules were changed at all, it is one question.
  Result<bool> restore();

  // From here on the rules stay, however this ends, unless open() was called.
  void keep() noexcept { kept_ = true; }
  // What the rules protect may go in the clear once this is destroyed.
  void open() noexcept { kept_ = false; }
  // Removes the rules, but for those that were found and never committed, and those to be kept.
  ~Protection();
  Protection(const Protection&) = delete;
  Protection& operator=(const Protection&) = delete;

 private:
  Protection(ProtectionRules rules, Nftables nftables, Descriptor lock)
      : rules_(std::move(rules)), nftables_(std::move(nftables)), lock_(std::move(lock)) {}
  Result<void> set_up();
  Result<std::string> look();

  ProtectionRules rules_;
  Nftables nftables_;
  Descriptor lock_;               // held by a live gateway
  std::string standing_;          // the rules as they are listed
  std::uint32_t generation_ = 0;  // of the kernel's rules, if all changes since look() are our own
  bool stale_ = false;            // they lack a change that the kernel refused
  bool found_ = false;            // and not yet taken over
  bool own_ = false;              // what stands is this gateway's
  bool kept_ = false;             // beyond the end of this
};

}  // namespace espalier::io
