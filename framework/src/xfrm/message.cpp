// SPDX-License-Identifier: Apache-2.0
#include "xfrm/message.hpp"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstdlib>
#include <new>

namespace espalier::xfrm {
namespace {

constexpr std::size_t kRoom = 4096;

}  // namespace

void Request::Wipe::operator()(nl_msg* message) const noexcept {
  wipe(nlmsg_hdr(message), nlmsg_get_max_size(message));
  nlmsg_free(message);
}

Request::Request(std::uint16_t type, std::uint16_t flags) : message_(nlmsg_alloc_size(kRoom)) {
  if (!message_ || nlmsg_put(message_.get(), 0, 0, type, 0, NLM_F_REQUEST | flags) == nullptr)
    throw std::bad_alloc();
}

void Request::append(const void* data, std::size_t size) {
  if (nlmsg_append(message_.get(), const_cast<void*>(data), size, NLMSG_ALIGNTO) < 0) std::abort();
}

std::uint8_t* Request::room(int type, std::size_t size) {
  nlattr* const attribute = nla_reserve(message_.get(), type, static_cast<int>(size));
  if (attribute == nullptr) std::abort();
  auto* const data = static_cast<std::uint8_t*>(nla_data(attribute));
  std::memset(data, 0, size);
  return data;
}

nlmsghdr& Request::header() const noexcept { return *nlmsg_hdr(message_.get()); }

std::span<const std::uint8_t> Request::bytes() const noexcept {
  const nlmsghdr& h = header();
  return {reinterpret_cast<const std::uint8_t*>(&h), h.nlmsg_len};
}

std::optional<Attributes> Attributes::of(std::span<const std::uint8_t> payload, std::size_t fixed) {
  const std::size_t begin = NLMSG_ALIGN(fixed);
  if (payload.size() < fixed) return std::nullopt;
  Attributes attributes;
  if (payload.size() > begin) attributes.all_ = payload.subspan(begin);
  return attributes;
}

std::span<const std::uint8_t> Attributes::bytes(int type) const noexcept {
  // libnl takes attributes that it does not change as not const, and lengths as int.
  auto* const head = reinterpret_cast<nlattr*>(const_cast<std::uint8_t*>(all_.data()));
  const nlattr* const found = nla_find(head, static_cast<int>(all_.size()), type);
  if (found == nullptr) return {};
  return {static_cast<const std::uint8_t*>(nla_data(found)),
          static_cast<std::size_t>(nla_len(found))};
}

std::vector<int> Attributes::types() const {
  std::vector<int> found;
  int left = static_cast<int>(all_.size());
  auto* each = reinterpret_cast<nlattr*>(const_cast<std::uint8_t*>(all_.data()));
  for (; nla_ok(each, left) != 0; each = nla_next(each, &left)) found.push_back(nla_type(each));
  return found;
}

}  // namespace espalier::xfrm
