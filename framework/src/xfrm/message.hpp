// SPDX-License-Identifier: Apache-2.0
//
// Netlink messages to the kernel and from it. Both may hold keys, and are wiped when they go.
#pragma once

#include <espalier/secret.hpp>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

struct nl_msg;
struct nlmsghdr;

namespace espalier::xfrm {

// A request as it is put together: its header, then its fixed part, then attributes. Big enough
// for any SA or policy; one that is not is a bug, and ends the program. Sequence and port are for
// whoever sends it.
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags);

  template <class T>
  Request& fixed(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    append(&value, sizeof value);
    return *this;
  }
  template <class T>
  Request& attribute(int type, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(room(type, sizeof value), &value, sizeof value);
    return *this;
  }
  // Zeroed room of an attribute, to be written in place.
  std::uint8_t* room(int type, std::size_t size);

  nlmsghdr& header() const noexcept;
  std::span<const std::uint8_t> bytes() const noexcept;

 private:
  void append(const void* data, std::size_t size);

  struct Wipe {
    void operator()(nl_msg* message) const noexcept;
  };
  std::unique_ptr<nl_msg, Wipe> message_;
};

// Bytes that were received, wiped when they go. Move-only.
class SecretBuffer {
 public:
  SecretBuffer() = default;
  explicit SecretBuffer(std::span<const std::uint8_t> bytes) : bytes_(bytes.begin(), bytes.end()) {}
  SecretBuffer(SecretBuffer&&) noexcept = default;
  SecretBuffer& operator=(SecretBuffer&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SecretBuffer() { wipe(bytes_.data(), bytes_.size()); }

  std::span<const std::uint8_t> view() const noexcept { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

// A message of the kernel: its type, and what follows the netlink header.
struct Message {
  std::uint16_t type = 0;
  std::uint32_t port = 0;  // of whom it answers, or whose change it tells of
  SecretBuffer payload{};
};

// The attributes of a message whose fixed part has this size; nothing where it is cut short.
// Views into the message.
class Attributes {
 public:
  static std::optional<Attributes> of(std::span<const std::uint8_t> payload, std::size_t fixed);

  std::span<const std::uint8_t> bytes(int type) const noexcept;  // empty: there is none
  std::vector<int> types() const;                                // of all, in their order
  template <class T>
  std::optional<T> value(int type) const noexcept {
    const auto found = bytes(type);
    if (found.size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, found.data(), sizeof value);
    return value;
  }

 private:
  std::span<const std::uint8_t> all_;
};

// The fixed part of a message, if it is all there.
template <class T>
std::optional<T> fixed_part(std::span<const std::uint8_t> payload) noexcept {
  if (payload.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, payload.data(), sizeof value);
  return value;
}

}  // namespace espalier::xfrm
