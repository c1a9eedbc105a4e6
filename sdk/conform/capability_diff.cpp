// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/capability_diff.hpp>
#include <conform/sa.hpp>
#include <model/inventory_format.hpp>

#include <algorithm>
#include <functional>
#include <set>
#include <span>

namespace espalier::conform {
namespace {

using Effect = Difference::Effect;
using List = std::vector<Difference>;
using inventory_format::BitWord;

// The items of two lists side by side: those of A first, in their order, then what only B has.
template <class T, class Name>
void pair_up(const std::vector<T>& a, const std::vector<T>& b, Name&& name, bool one_is_the_same,
             const std::function<void(const T*, const T*)>& visit) {
  if (one_is_the_same && a.size() == 1 && b.size() == 1) return visit(&a[0], &b[0]);
  const auto find = [&](const std::vector<T>& list, const auto& key) -> const T* {
    const auto found = std::ranges::find_if(list, [&](const T& x) { return name(x) == key; });
    return found == list.end() ? nullptr : &*found;
  };
  for (const T& each : a) visit(&each, find(b, name(each)));
  for (const T& each : b)
    if (find(a, name(each)) == nullptr) visit(nullptr, &each);
}

void compare_bits(List& out, const std::string& where, std::string_view what, std::uint32_t a,
                  std::uint32_t b, std::span<const BitWord> words) {
  for (const BitWord& word : words) {
    const bool in_a = (a & word.bit) != 0;
    const bool in_b = (b & word.bit) != 0;
    if (in_a != in_b)
      out.push_back({in_a ? Effect::loss : Effect::gain, where,
                     fmt::format("{} {}", what, word.word), in_a ? "yes" : "no",
                     in_b ? "yes" : "no"});
  }
}

// A limit, of which 0 is none.
void compare_limit(List& out, const std::string& where, std::string_view what, std::uint64_t a,
                   std::uint64_t b, std::uint64_t none) {
  if (a == b) return;
  const auto text = [&](std::uint64_t value) {
    return value == none ? std::string("no limit") : std::to_string(value);
  };
  const bool less = a == none || (b != none && b < a);
  out.push_back({less ? Effect::loss : Effect::gain, where, std::string(what), text(a), text(b)});
}

template <class T>
void compare_value(List& out, const std::string& where, std::string_view what, const T& a,
                   const T& b) {
  if (a != b)
    out.push_back(
        {Effect::change, where, std::string(what), fmt::format("{}", a), fmt::format("{}", b)});
}

void only_one_side(List& out, const std::string& where, std::string_view what, bool in_a) {
  out.push_back({in_a ? Effect::loss : Effect::gain, where, std::string(what), in_a ? "yes" : "no",
                 in_a ? "no" : "yes"});
}

void compare(List& out, const std::string& where, const Capability& a, const Capability& b) {
  namespace words = inventory_format;
  compare_bits(out, where, "key bits", a.key_bits, b.key_bits, words::kKeyBits);
  compare_bits(out, where, "ICV bytes", a.icv_bytes, b.icv_bytes, words::kIcvBytes);
  compare_bits(out, where, "direction", a.directions, b.directions, words::kDirections);
  compare_bits(out, where, "mode", a.modes, b.modes, words::kModes);
  compare_bits(out, where, "encapsulation", a.encapsulations, b.encapsulations,
               words::kEncapsulations);
  compare_bits(out, where, "family", a.families, b.families, words::kFamilies);
  compare_bits(out, where, "ESN", a.esn, b.esn, words::kEsn);
  compare_limit(out, where, "longest replay window", a.max_replay_window, b.max_replay_window, 0);
  compare_limit(out, where, "longest packet", a.max_length, b.max_length, 0);
  compare_value(out, where, "score", a.score, b.score);
}

// A transform may be declared in several parts. Each part is beside its equal, or else beside the
// next one of its transform that has none.
std::vector<const Capability*> partners(const std::vector<Capability>& of,
                                        const std::vector<Capability>& among) {
  std::vector<const Capability*> found(of.size(), nullptr);
  std::set<const Capability*> taken;
  const auto pair = [&](auto&& alike) {
    for (std::size_t i = 0; i < of.size(); ++i)
      for (const Capability& each : among) {
        if (found[i] != nullptr || taken.contains(&each) || !alike(of[i], each)) continue;
        found[i] = &each;
        taken.insert(&each);
      }
  };
  pair(std::equal_to<>());
  pair([](const Capability& x, const Capability& y) { return name_of(x) == name_of(y); });
  return found;
}

void compare_capabilities(List& out, const std::string& where, const std::vector<Capability>& a,
                          const std::vector<Capability>& b) {
  const auto place = [&](const Capability& c) { return fmt::format("{}, {}", where, name_of(c)); };
  const auto in_b = partners(a, b);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (in_b[i] != nullptr)
      compare(out, place(a[i]), a[i], *in_b[i]);
    else
      only_one_side(out, place(a[i]), "transform", true);
  for (const Capability& each : b)
    if (std::ranges::find(in_b, &each) == in_b.end())
      only_one_side(out, place(each), "transform", false);
}

void compare_pools(List& out, const std::string& where, const Device& a, const Device& b) {
  pair_up<CapacityPool>(
      a.pools, b.pools, [](const CapacityPool& p) { return p.name; }, false,
      [&](const CapacityPool* in_a, const CapacityPool* in_b) {
        const CapacityPool& one = in_a != nullptr ? *in_a : *in_b;
        const std::string place = fmt::format("{}, pool {}", where, one.name);
        const auto what = fmt::format("capacity of {}", to_string(one.kind));
        compare_limit(out, place, what, in_a == nullptr ? kUnlimited : in_a->capacity,
                      in_b == nullptr ? kUnlimited : in_b->capacity, kUnlimited);
        if (in_a == nullptr || in_b == nullptr) return;
        compare_value(out, place, "kind", std::string_view(to_string(in_a->kind)),
                      std::string_view(to_string(in_b->kind)));
        compare_value(out, place, "use", std::string_view(to_string(in_a->use)),
                      std::string_view(to_string(in_b->use)));
        // A pool that more directions share leaves less for each.
        if (in_a->directions != in_b->directions)
          out.push_back({(in_b->directions & ~in_a->directions) != 0 ? Effect::loss : Effect::gain,
                         place, "directions that share it", in_a->directions == 3 ? "both" : "one",
                         in_b->directions == 3 ? "both" : "one"});
      });
}

}  // namespace

List differences(const std::string& where, const Device& a, const Device& b) {
  List out;
  const auto word = [](Dataplane plane) {
    return std::string_view(plane == Dataplane::kernel ? "kernel dataplane"
                                                       : "userspace dataplane");
  };
  compare_value(out, where, "name", a.name, b.name);
  // Who drives the one has no use for the other.
  if (a.dataplane != b.dataplane) {
    only_one_side(out, where, word(a.dataplane), true);
    only_one_side(out, where, word(b.dataplane), false);
  }
  compare_value(out, where, "asynchronous", a.asynchronous, b.asynchronous);
  compare_value(out, where, "needs DMA", a.needs_dma, b.needs_dma);
  compare_capabilities(out, where, a.capabilities, b.capabilities);
  compare_pools(out, where, a, b);
  return out;
}

List differences(const Inventory& a, const Inventory& b) {
  List out;
  pair_up<BackendInfo>(
      a.backends, b.backends, [](const BackendInfo& x) { return x.name; }, true,
      [&](const BackendInfo* in_a, const BackendInfo* in_b) {
        const std::string name = in_a != nullptr ? in_a->name : in_b->name;
        if (in_a == nullptr || in_b == nullptr)
          return only_one_side(out, name, "backend", in_a != nullptr);
        compare_value(out, name, "name", in_a->name, in_b->name);
        compare_value(out, name, "version", in_a->version, in_b->version);
        if (in_a->rejected.empty() != in_b->rejected.empty())
          only_one_side(out, name, "accepted by the probe", in_a->rejected.empty());
        pair_up<Device>(
            in_a->devices, in_b->devices, [](const Device& x) { return x.name; }, true,
            [&](const Device* dev_a, const Device* dev_b) {
              const Device& one = dev_a != nullptr ? *dev_a : *dev_b;
              const std::string where = fmt::format("{}/{}", name, one.name);
              if (dev_a == nullptr || dev_b == nullptr)
                return only_one_side(out, where, "device", dev_a != nullptr);
              std::ranges::move(differences(where, *dev_a, *dev_b), std::back_inserter(out));
            });
      });
  return out;
}

const char* to_string(Effect effect) noexcept {
  switch (effect) {
    case Effect::loss:
      return "loss";
    case Effect::gain:
      return "gain";
    default:
      return "change";
  }
}

std::string sentence(const Difference& d) {
  return fmt::format("{}: {}: {} in A, {} in B", d.where, d.what, d.a.empty() ? "nothing" : d.a,
                     d.b.empty() ? "nothing" : d.b);
}

}  // namespace espalier::conform
