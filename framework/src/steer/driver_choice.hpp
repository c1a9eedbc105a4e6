// SPDX-License-Identifier: Apache-2.0
//
// How an SA comes to the kernel driver that a recipe names. ESP asks for an algorithm by name
// (net/ipv4/esp4.c), and gets the registered one of that name with the highest priority. So an
// instance of that name is made of the wanted driver, and is first while the SA is added. Pure.
#pragma once

#include <espalier/result.hpp>
#include <espalier/sa.hpp>

#include "steer/algorithm.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::steer {

// Longest driver name that the kernel's crypto netlink takes (linux/cryptouser.h).
inline constexpr std::size_t kLongestDriver = 63;
// pcrypt spreads packets over CPUs; the other end, and our own inbound window, see them out of
// order.
inline constexpr std::uint32_t kWindowWherePacketsOvertake = 128;

// What ESP asks the kernel for: "echainiv(authencesn(hmac(sha1),cbc(aes)))".
std::string esp_algorithm(const Transform& transform, bool esn);

// Where an SA is to bind.
struct Binding {
  std::string name;    // what ESP asks for
  std::string driver;  // of the instance that it is to get
  // At which it is made, if it is not there, and to which it goes back; nothing: the kernel's own.
  std::optional<std::uint32_t> rests_at{};
  std::uint32_t min_replay_window = 0;  // of inbound SAs there

  friend bool operator==(const Binding&, const Binding&) = default;
};

// `wanted` is what a recipe names: a registered driver of the transform, of its cipher or of its
// hash
// ("rfc4106-gcm-aesni", "cbc-aes-padlock", "sha1-padlock"), with the kernel's own choice for the
// rest; drivers put together ("rfc4106(gcm_base(ctr(aes-generic),ghash-generic))"); and any of
// these in "pcrypt(...)", where the algorithm's name stands for the kernel's own choice.
//
// pcrypt becomes the outermost part: "pcrypt(seqiv(rfc4106-gcm-aesni))". Nothing is at work on top
// of it, so it can be put first and back without taking other instances away from the kernel
// (crypto_remove_spawns() in crypto/algapi.c). It rests at priority 0, where nobody gets it: the
// kernel itself would put it in front of what is inside.
//
// not_found: there is no such driver; its module may have to be loaded. unsupported: it cannot do
// this transform, or the name gets too long for the kernel.
Result<Binding> choose_driver(const Transform& transform, bool esn, std::string_view wanted,
                              std::span<const Algorithm> registered);

// The replay window to give the kernel for an SA that binds there. 0 outbound: it has none, and
// where the kernel knows the direction it refuses any other.
std::uint32_t replay_window_for(const Binding& binding, Direction direction, std::uint32_t wanted);

struct Priority {
  std::string driver;
  std::uint32_t value = 0;

  friend bool operator==(const Priority&, const Priority&) = default;
};

// What to change so that `driver` is first of all that do its name. Those that we hold above it
// give way, to where they are said to be `resting`, and so does what is at work on top of it,
// whoever put it there: raising `driver` itself, which is only done if that is not enough, would
// take that away. Nothing, if it is first already. conflict: somebody has put another one so high
// that nothing can be ahead of it.
Result<std::vector<Priority>> to_be_first(std::string_view driver,
                                          std::span<const Algorithm> of_one_name,
                                          std::span<const Priority> resting);

// What can be told of an SA's driver: nothing but that exactly one more user is there. Both: all
// drivers of the name that it asked for, before and after it was added.
struct Inference {
  bool inferred = false;  // that it is the wanted one; else it is unknown which it is
  std::string why;        // a sentence, where it is unknown

  friend bool operator==(const Inference&, const Inference&) = default;
};
Inference infer(std::string_view wanted, std::span<const Algorithm> before,
                std::span<const Algorithm> after);

}  // namespace espalier::steer
