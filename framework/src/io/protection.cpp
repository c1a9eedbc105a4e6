// SPDX-License-Identifier: Apache-2.0
#include "io/protection.hpp"

#include "io/os_error.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <fmt/format.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace espalier::io {

// An abstract Unix socket: its name is taken in this network namespace for as long as the process
// lives, and no longer.
Result<Descriptor> Protection::lock(const std::string& site) {
  Descriptor held(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name =
      fmt::format("espalier-protection/{}", site).substr(0, sizeof address.sun_path - 1);
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (held && ::bind(held.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0)
    return held;
  if (errno == EADDRINUSE)
    return fail(
        ErrorCode::conflict,
        fmt::format("Another gateway of site '{0}' runs in this network namespace. Stop it, "
                    "or give this one's [site.{0}] another name.",
                    site));
  return fail(ErrorCode::io,
              fmt::format("Cannot see whether another gateway of site '{}' runs here: {}.", site,
                          words_of(errno)));
}

Result<std::unique_ptr<Protection>> Protection::begin(ProtectionRules rules) {
  auto held = lock(rules.site);
  if (!held) return std::unexpected(held.error());
  auto nftables = Nftables::open();
  if (!nftables) return std::unexpected(nftables.error());
  std::unique_ptr<Protection> made(
      new Protection(std::move(rules), std::move(*nftables), std::move(*held)));
  const auto found = made->nftables_.has_table(table_of(made->rules_.site));
  if (!found) return std::unexpected(found.error());
  made->found_ = *found;
  if (made->found_) return made;
  if (auto set = made->set_up(); !set) return std::unexpected(set.error());
  return made;
}

Result<bool> Protection::clear_away(const std::string& site) {
  auto nftables = Nftables::open();
  if (!nftables) return std::unexpected(nftables.error());
  const auto found = nftables->has_table(table_of(site));
  if (!found || !*found) return found;
  if (auto removed = nftables->run(removal_text(site)); !removed)
    return std::unexpected(removed.error());
  return true;
}

Result<void> Protection::set_up() {
  stale_ = true;
  auto set = nftables_.run(rules_text(rules_));
  if (!set) return set;
  own_ = true;
  auto standing = look();
  if (!standing) return std::unexpected(standing.error());
  standing_ = std::move(*standing);
  stale_ = false;
  return {};
}

// The generation comes first, so that what is changed during the look is looked at again.
Result<std::string> Protection::look() {
  const auto generation = nftables_.generation();
  if (!generation) return std::unexpected(generation.error());
  auto standing = nftables_.rules_of(table_of(rules_.site));
  if (standing) generation_ = *generation;
  return standing;
}

Result<void> Protection::commit() {
  if (!found_) return {};
  auto set = set_up();
  if (set) found_ = false;
  return set;
}

Result<void> Protection::follow(const NetworksChange& change) {
  const std::string text = change_text(rules_.site, rules_.networks, change);
  if (found_) return {};
  if (stale_) return set_up();
  if (text.empty()) return {};
  auto changed = nftables_.run(text);
  if (changed)
    generation_ = next_generation(generation_);
  else
    stale_ = true;
  return changed;
}

Result<bool> Protection::restore() {
  if (found_) return false;
  const auto generation = nftables_.generation();
  if (!generation) return std::unexpected(generation.error());
  if (*generation == generation_ && !stale_) return false;
  const auto standing = look();
  if (!standing) return std::unexpected(standing.error());
  if (*standing == standing_ && !stale_) return false;
  if (auto set = set_up(); !set) return std::unexpected(set.error());
  return true;
}

Protection::~Protection() {
  if (own_ && !kept_) (void)nftables_.run(removal_text(rules_.site));
}

}  // namespace espalier::io
