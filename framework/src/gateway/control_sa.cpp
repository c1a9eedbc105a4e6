// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_sa.hpp"

#include "gateway/complaints.hpp"
#include "model/nearest_name.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier {
namespace {

using nlohmann::json;

constexpr std::uint16_t kNatTraversalPort = 4500;

std::unexpected<Error> wrong(std::string_view member, std::string_view expected) {
  return fail(ErrorCode::invalid, fmt::format("'{}' of the SA must be {}.", member, expected));
}

Result<std::string> text_of(const json& value, std::string_view member) {
  if (!value.is_string()) return wrong(member, "a string");
  return value.get<std::string>();
}

// A number, or a string such as "0x1000".
Result<std::uint64_t> number_of(const json& value, std::string_view member, std::uint64_t limit,
                                std::uint64_t lowest = 0) {
  const auto expected = fmt::format("a number from {} to {}", lowest, limit);
  std::uint64_t number = 0;
  if (value.is_number_unsigned()) {
    number = value.get<std::uint64_t>();
  } else if (value.is_string()) {
    std::string_view text = value.get_ref<const std::string&>();
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size()) return wrong(member, expected);
  } else {
    return wrong(member, expected);
  }
  if (number < lowest || number > limit) return wrong(member, expected);
  return number;
}

template <class Number>
Result<void> read_number(const json& value, std::string_view member, Number& out,
                         Number lowest = 0) {
  const auto number = number_of(value, member, std::numeric_limits<Number>::max(), lowest);
  if (!number) return std::unexpected(number.error());
  out = static_cast<Number>(*number);
  return {};
}

template <class Enum>
Result<void> read_enum(const json& value, std::string_view member, Enum first, Enum second,
                       Enum& out) {
  if (value == to_string(first))
    out = first;
  else if (value == to_string(second))
    out = second;
  else
    return wrong(member, fmt::format("'{}' or '{}'", to_string(first), to_string(second)));
  return {};
}

// What was made of the text of a member.
template <class T>
Result<void> take(std::string_view member, Result<T> made, T& out) {
  if (!made)
    return fail(made.error().code, fmt::format("'{}' of the SA: {}", member, made.error().message));
  out = std::move(*made);
  return {};
}

Result<void> read_endpoint(const json& value, std::string_view member, Endpoint& out) {
  const auto text = text_of(value, member);
  if (!text) return std::unexpected(text.error());
  return take(member, parse_endpoint(*text, kNatTraversalPort), out);
}

Result<void> read_prefix(const json& value, std::string_view member, IpPrefix& out) {
  const auto text = text_of(value, member);
  if (!text) return std::unexpected(text.error());
  return take(member, IpPrefix::parse(*text), out);
}

Result<void> read_ports(const json& value, std::string_view member, std::uint16_t& low,
                        std::uint16_t& high) {
  if (!value.is_array() || value.size() != 2) return wrong(member, "a list of two port numbers");
  if (auto read = read_number(value[0], member, low); !read) return read;
  if (auto read = read_number(value[1], member, high); !read) return read;
  if (low > high) return wrong(member, "a list of two port numbers, the lower one first");
  return {};
}

using Reader = std::function<Result<void>(const json&)>;

// Gives each member of the object to its reader. The error names all that failed, or have none.
Result<void> read_object(const json& object, std::string_view what,
                         const std::map<std::string_view, Reader>& readers) {
  if (!object.is_object())
    return fail(ErrorCode::invalid, fmt::format("The {} must be an object.", what));
  Complaints complaints;
  for (const auto& [member, value] : object.items()) {
    const auto reader = readers.find(member);
    if (reader == readers.end()) {
      std::vector<std::string_view> known;
      for (const auto& entry : readers) known.push_back(entry.first);
      complaints.add({ErrorCode::invalid, fmt::format("The {} has no member '{}'{}", what, member,
                                                      did_you_mean(known, member))});
    } else {
      complaints.add(reader->second(value));
    }
  }
  return complaints.result();
}

Result<TrafficSelector> read_selector(const json& value) {
  TrafficSelector out;
  std::map<std::string_view, Reader> readers;
  readers["source"] = [&](const json& v) { return read_prefix(v, "source", out.source); };
  readers["destination"] = [&](const json& v) {
    return read_prefix(v, "destination", out.destination);
  };
  readers["protocol"] = [&](const json& v) { return read_number(v, "protocol", out.protocol); };
  readers["source_ports"] = [&](const json& v) {
    return read_ports(v, "source_ports", out.source_port_low, out.source_port_high);
  };
  readers["destination_ports"] = [&](const json& v) {
    return read_ports(v, "destination_ports", out.destination_port_low, out.destination_port_high);
  };
  if (auto read = read_object(value, "selector", readers); !read)
    return std::unexpected(read.error());
  if (!value.contains("source") || !value.contains("destination"))
    return fail(ErrorCode::invalid, "A selector needs a 'source' and a 'destination'.");
  return out;
}

Result<void> read_selectors(const json& value, std::vector<TrafficSelector>& out) {
  if (!value.is_array()) return wrong("selectors", "a list");
  out.clear();
  Complaints complaints;
  for (const json& element : value) {
    auto selector = read_selector(element);
    if (selector)
      out.push_back(*selector);
    else
      complaints.add(selector.error());
  }
  return complaints.result();
}

Result<void> read_bool(const json& value, std::string_view member, bool& out) {
  if (!value.is_boolean()) return wrong(member, "true or false");
  out = value.get<bool>();
  return {};
}

Result<void> read_dont_fragment(const json& value, OuterHeader::DontFragment& out) {
  using enum OuterHeader::DontFragment;
  for (const auto one : {copy, set, clear}) {
    if (value != to_string(one)) continue;
    out = one;
    return {};
  }
  return wrong("dont_fragment", "'copy', 'set' or 'clear'");
}

Result<void> read_outer(const json& value, OuterHeader& out) {
  out = {};
  std::map<std::string_view, Reader> readers;
  readers["dscp"] = [&](const json& v) { return read_number(v, "dscp", out.dscp.emplace()); };
  readers["ecn"] = [&](const json& v) { return read_bool(v, "ecn", out.ecn); };
  readers["dont_fragment"] = [&](const json& v) {
    return read_dont_fragment(v, out.dont_fragment);
  };
  return read_object(value, "outer header", readers);
}

Result<void> read_lifetime(const json& value, Rare<Lifetime>& into) {
  Lifetime out;
  std::map<std::string_view, Reader> readers;
  const auto number = [&readers](const char* member, auto& limit) {
    readers[member] = [member, &limit](const json& v) { return read_number(v, member, limit); };
  };
  number("soft_bytes", out.soft_bytes);
  number("hard_bytes", out.hard_bytes);
  number("soft_packets", out.soft_packets);
  number("hard_packets", out.hard_packets);
  number("soft_seconds", out.soft_seconds);
  number("hard_seconds", out.hard_seconds);
  auto read = read_object(value, "lifetime", readers);
  into = out;
  return read;
}

Result<void> read_transform(const json& value, Transform& out) {
  const auto name = text_of(value, "transform");
  if (!name) return std::unexpected(name.error());
  const TransformInfo* found = nullptr;
  auto taken = take("transform", find_transform(*name), found);
  if (taken) out = found->transform;
  return taken;
}

std::map<std::string_view, Reader> sa_readers(SaSpec& sa) {
  std::map<std::string_view, Reader> readers;
  const auto text = [&readers](const char* member, std::string& out) {
    readers[member] = [member, &out](const json& v) -> Result<void> {
      auto given = text_of(v, member);
      if (!given) return std::unexpected(given.error());
      out = std::move(*given);
      return {};
    };
  };
  text("name", sa.name);
  text("class", sa.traffic_class);
  text("interface", sa.interface);
  readers["spi"] = [&sa](const json& v) { return read_number(v, "spi", sa.spi, kMinSpi); };
  readers["replay_window"] = [&sa](const json& v) {
    return read_number(v, "replay_window", sa.replay_window);
  };
  readers["transform"] = [&sa](const json& v) { return read_transform(v, sa.transform); };
  readers["direction"] = [&sa](const json& v) {
    return read_enum(v, "direction", Direction::outbound, Direction::inbound, sa.direction);
  };
  readers["mode"] = [&sa](const json& v) {
    return read_enum(v, "mode", Mode::tunnel, Mode::transport, sa.mode);
  };
  readers["encapsulation"] = [&sa](const json& v) {
    return read_enum(v, "encapsulation", Encapsulation::udp, Encapsulation::none, sa.encapsulation);
  };
  readers["esn"] = [&sa](const json& v) { return read_bool(v, "esn", sa.esn); };
  readers["follow_peer"] = [&sa](const json& v) {
    return read_bool(v, "follow_peer", sa.follow_peer);
  };
  readers["outer"] = [&sa](const json& v) { return read_outer(v, sa.outer); };
  readers["lifetime"] = [&sa](const json& v) { return read_lifetime(v, sa.lifetime); };
  readers["local"] = [&sa](const json& v) { return read_endpoint(v, "local", sa.local); };
  readers["peer"] = [&sa](const json& v) { return read_endpoint(v, "peer", sa.peer); };
  readers["selectors"] = [&sa](const json& v) { return read_selectors(v, sa.selectors); };
  return readers;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    host = text.substr(1, close == text.npos ? text.npos : close - 1);
    if (close != text.npos && text.substr(close + 1).starts_with(':'))
      port = text.substr(close + 2);
    else if (close == text.npos || close + 1 != text.size())
      host = {};
  } else if (const auto colon = text.find(':'); colon != text.npos && colon == text.rfind(':')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  Endpoint endpoint{{}, default_port};
  const auto address = IpAddress::parse(host);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  const bool port_good =
      (port.empty() && !text.ends_with(':')) || text.ends_with("::") ||
      (error == std::errc{} && end == port.data() + port.size() && endpoint.port != 0);
  if (!address || !port_good)
    return fail(ErrorCode::invalid,
                fmt::format("'{}' is no endpoint; write an address with or without a port, such as "
                            "192.0.2.1:4500 or [2001:db8::1]:4500.",
                            text));
  endpoint.address = *address;
  return endpoint;
}

Result<void> sa_from_json(const json& value, SaSpec& sa) {
  return read_object(value, "SA", sa_readers(sa));
}

}  // namespace espalier
