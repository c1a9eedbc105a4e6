// SPDX-License-Identifier: Apache-2.0
#include <espalier/address.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace espalier {
namespace {

int socket_family(Family family) { return family == Family::ipv4 ? AF_INET : AF_INET6; }

// The address with all bits beyond the first `length` set to zero.
IpAddress masked(IpAddress address, unsigned length) noexcept {
  for (unsigned i = 0; i < address.size(); ++i) {
    const unsigned bits = length > i * 8 ? std::min(length - i * 8, 8U) : 0U;
    address.bytes[i] &= static_cast<std::uint8_t>(0xff00U >> bits);
  }
  return address;
}

}  // namespace

IpAddress IpAddress::from_bytes(Family family, const std::uint8_t* bytes) noexcept {
  IpAddress result;
  result.family = family;
  std::memcpy(result.bytes.data(), bytes, result.size());
  return result;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const bool plausible = text.size() < INET6_ADDRSTRLEN && !text.contains('\0');
  IpAddress result;
  result.family = text.contains(':') ? Family::ipv6 : Family::ipv4;
  if (!plausible ||
      inet_pton(socket_family(result.family), std::string(text).c_str(), result.bytes.data()) != 1)
    return fail(ErrorCode::invalid,
                fmt::format("'{}' is not an IP address; write one like 192.0.2.1 or 2001:db8::1",
                            text.substr(0, INET6_ADDRSTRLEN)));
  return result;
}

bool IpPrefix::contains(const IpAddress& other) const noexcept {
  return masked(other, length) == masked(address, length);  // families are compared, too
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::unexpected(address.error());
  const auto longest = static_cast<unsigned>(address->size() * 8);
  unsigned length = longest;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const char* const end = digits.data() + digits.size();
    const auto [last, error] = std::from_chars(digits.data(), end, length);
    if (error != std::errc() || last != end || length > longest)
      return fail(ErrorCode::invalid,
                  fmt::format("'{}' is not a prefix: the length after '/' must be 0 to {}",
                              text.substr(0, 64), longest));
  }
  const IpPrefix result{masked(*address, length), static_cast<std::uint8_t>(length)};
  if (result.address != *address)
    return fail(ErrorCode::invalid,
                fmt::format("'{}' has bits set beyond its prefix length; did you mean '{}'?", text,
                            to_string(result)));
  return result;
}

std::string to_string(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(socket_family(address.family), address.bytes.data(), text, sizeof(text));
  return text;
}

std::string to_string(const IpPrefix& prefix) {
  return fmt::format("{}/{}", to_string(prefix.address), prefix.length);
}

std::string to_string(const Endpoint& endpoint) {
  const char* const form = endpoint.address.family == Family::ipv4 ? "{}:{}" : "[{}]:{}";
  return fmt::format(fmt::runtime(form), to_string(endpoint.address), endpoint.port);
}

}  // namespace espalier
