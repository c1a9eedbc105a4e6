// SPDX-License-Identifier: Apache-2.0
#include "steer/cpu_mask.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <charconv>
#include <optional>

namespace espalier::steer {
namespace {

constexpr std::size_t kMostCpus = 4096;
using Cpus = std::bitset<kMostCpus>;

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value >= kMostCpus)
    return std::nullopt;
  return value;
}

// The first part of a list, which is taken off it.
std::string_view take(std::string_view& list) {
  const auto end = std::min(list.find(','), list.size());
  const auto part = list.substr(0, end);
  list.remove_prefix(std::min(end + 1, list.size()));
  return part;
}

std::optional<Cpus> parse_cpus(std::string_view text) {
  if (text.empty() || text.ends_with(',')) return std::nullopt;
  Cpus cpus;
  while (!text.empty()) {
    const auto part = take(text);
    const auto dash = part.find('-');
    const auto first = number(part.substr(0, dash));
    const auto last = dash == part.npos ? first : number(part.substr(dash + 1));
    if (!first || !last || *first > *last) return std::nullopt;
    for (std::size_t cpu = *first; cpu <= *last; ++cpu) cpus.set(cpu);
  }
  return cpus;
}

std::optional<Cpus> parse_mask(std::string_view text) {
  std::string digits(text);
  std::erase(digits, ',');
  if (digits.empty()) return std::nullopt;
  Cpus cpus;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    unsigned digit = 0;
    const char* const at = digits.data() + digits.size() - 1 - i;
    if (std::from_chars(at, at + 1, digit, 16).ptr != at + 1) return std::nullopt;
    for (std::size_t bit = 0; bit < 4; ++bit) {
      if ((digit >> bit & 1u) == 0) continue;
      if (i * 4 + bit >= kMostCpus) return std::nullopt;
      cpus.set(i * 4 + bit);
    }
  }
  return cpus;
}

std::string mask_text(const Cpus& cpus) {
  constexpr std::size_t kWord = 32;
  std::string text;
  for (std::size_t word = kMostCpus / kWord; word-- > 0;) {
    std::uint32_t value = 0;
    for (std::size_t bit = 0; bit < kWord; ++bit)
      value |= std::uint32_t{cpus.test(word * kWord + bit)} << bit;
    if (!text.empty())
      text += fmt::format(",{:08x}", value);
    else if (value != 0)
      text = fmt::format("{:x}", value);
  }
  return text;
}

std::string list_text(const Cpus& cpus) {
  std::string text;
  for (std::size_t cpu = 0; cpu < kMostCpus; ++cpu) {
    if (!cpus.test(cpu)) continue;
    std::size_t last = cpu;
    while (last + 1 < kMostCpus && cpus.test(last + 1)) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ",", cpu);
    if (last != cpu) text += fmt::format("-{}", last);
    cpu = last;
  }
  return text;
}

}  // namespace

Result<std::string> mask_of_cpus(std::string_view text) {
  const auto cpus = parse_cpus(text);
  if (cpus && cpus->any()) return mask_text(*cpus);
  return fail(ErrorCode::invalid,
              fmt::format("'{}' is no set of CPUs: write them as \"0-3,8\"", text));
}

Result<std::string> cpus_beyond(std::string_view text, std::string_view present) {
  const auto cpus = parse_cpus(text), there = parse_cpus(present);
  if (cpus && there) return list_text(*cpus & ~*there);
  return fail(ErrorCode::invalid, fmt::format("'{}' is no set of CPUs: write them as \"0-3,8\"",
                                              cpus ? present : text));
}

Result<std::string> cpus_of_mask(std::string_view text) {
  if (const auto cpus = parse_mask(text)) return list_text(*cpus);
  return fail(ErrorCode::invalid, fmt::format("'{}' is no mask of CPUs", text));
}

bool same_mask(std::string_view a, std::string_view b) {
  const auto left = parse_mask(a);
  const auto right = parse_mask(b);
  return left && right && *left == *right;
}

}  // namespace espalier::steer
